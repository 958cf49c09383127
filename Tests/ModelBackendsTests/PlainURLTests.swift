import Testing

@testable import ModelBackends

@Suite struct PlainURLTests {
  @Test(
    "A URL is taken as it is written",
    arguments: [
      ("http://127.0.0.1:8000/v1", "127.0.0.1 8000 127.0.0.1:8000 /v1"), ("http://a", "a 80 a /"),
      ("http://a-b.c_d.example:1?x=/../y", "a-b.c_d.example 1 a-b.c_d.example:1 /?x=/../y"),
      ("http://[::1]/a%2Fb?c", "::1 80 [::1] /a%2Fb?c"),
      ("http://[2001:db8::7]:65535/", "2001:db8::7 65535 [2001:db8::7]:65535 /"),
      ("http://Local.Host./a..b/.c", "Local.Host. 80 Local.Host. /a..b/.c"),
      ("http://1.example/", "1.example 80 1.example /"),
    ])
  func takes(text: String, expected: String) {
    let url = PlainURL(text)
    #expect(url.map { "\($0.host) \($0.port) \($0.authority) \($0.target)" } == expected)
  }

  @Test(
    "What has to be read before it can be sent is left to curl",
    arguments: [
      "https://a/", "HTTP://a/", "file:///a", "http://", "http:///a", "http://a:b@c/", "http://a@b/", "http://a:/",
      "http://a:0/", "http://a:65536/", "http://a:8x/", "http://a:1:2/", "http://127.1/", "http://1/",
      "http://0x7f.0.0.1/",
      "http://127.0.0.1./", "http://256.0.0.1/", "http://[::1/", "http://[127.0.0.1]/", "http://[::1]x/",
      "http://[fe80::1%25lo]/",
      "http://b\u{FC}cher.example/", "http://a%2e/", "http://a/./b", "http://a/..", "http://a/%2E%2e/b", "http://a/b#c",
      "http://a/b c", "http://a/\r\n", "http://a/\u{FC}", "http://a/{b}", "http://a\\b/", "http://a..b@/",
    ])
  func leaves(text: String) { #expect(PlainURL(text) == nil) }
}
