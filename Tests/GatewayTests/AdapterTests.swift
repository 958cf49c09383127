import Conversations
import HTTPServing
import Policies
import StrictJSON
import Testing

@testable import Gateway

private let moderations = ModerationsAdapter(settings: AdapterSettings(.moderations))
private let liteLLM = LiteLLMAdapter(settings: AdapterSettings(.litellm))
private let forwardAuth = ForwardAuthAdapter(settings: AdapterSettings(.forwardAuth))
private let fms = FMSAdapter(settings: AdapterSettings(.fms))
private let nemo = NeMoAdapter(settings: AdapterSettings(.nemo))
private let lakera = LakeraAdapter(settings: AdapterSettings(.lakera))

private func chat(_ text: String, _ more: String = "") -> String {
  #"{"messages":[{"role":"user","content":"\#(text)"}]\#(more)}"#
}

@Suite struct AdapterTests {
  @Test("What is not in a table is opaque, what is a record leaves nothing, and of leaves every key and string counts")
  func fields() throws {
    let table = FieldTable(["a": .read, "b": .record, "c": .leaves])
    let json = try JSON.parse(
      Array(#"{"a":"1","b":"2","c":{"k":["v",1,{"é":null}]},"new":[0],"no":false,"nil":null}"#.utf8))
    let parts = table.parts(of: try #require(json.object), message: 3, path: "x.")
    #expect(parts.map(\.text) == ["k\nv\né", ""])
    #expect(parts.map { "\($0.path)" } == ["x.c", "x.new"])
    #expect(parts.map(\.kind) == [.text, .opaque] && parts.allSatisfy { $0.path.message == 3 })
  }

  /// Adapter, path, headers, and a request around a text.
  static let contracts: [(any Adapter, String, String, @Sendable (String) -> String)] = [
    (moderations, "/v1/moderations", "", { #"{"input":"\#($0)"}"# }),
    (moderations, "/v1/moderations", "", { #"{"input":["hello","\#($0)"]}"# }),
    (moderations, "/v1/moderations", "", { #"{"input":[{"type":"text","text":"\#($0)"}]}"# }),
    (moderations, "/v1/moderations", "", { chat($0) }),
    (liteLLM, "", "", { #"{"input_type":"request","texts":["hello","\#($0)"]}"# }),
    (liteLLM, "", "", { #"{"input_type":"response","texts":[],"tools":[{"function":{"name":"\#($0)"}}]}"# }),
    (forwardAuth, "", "", { chat($0) }),
    (fms, "/api/v1/text/contents", "detector-id: paddock\r\n", { #"{"contents":["hello","\#($0)"]}"# }),
    (fms, "/api/v1/text/chat", "detector-id: paddock\r\n", { chat($0) }),
    (fms, "/api/v1/text/generation", "detector-id: paddock\r\n", { #"{"prompt":"hi","generated_text":"\#($0)"}"# }),
    (
      fms, "/api/v1/text/context/doc", "detector-id: paddock\r\n",
      { #"{"content":"\#($0)","context_type":"docs","context":["hi"]}"# }
    ),
    (nemo, "", "", { chat($0) }),
    (lakera, "", "", { chat($0) }),
  ]

  /// Whether an answer lets the text pass, in the words of each contract.
  private func passes(_ answer: ServerResponse) -> Bool {
    guard answer.status == 200 else { return false }
    if answer.body.isEmpty { return true }
    let json = answer.json
    if let results = json["results"]?.array { return results.allSatisfy { $0["flagged"] == .bool(false) } }
    if let action = json["action"]?.string { return action == "NONE" }
    if let status = json["status"]?.string { return status == "passed" }
    if let flagged = json["flagged"] { return flagged == .bool(false) }
    return json.array?.allSatisfy { $0 == .array([]) } ?? false
  }

  @Test("allow, flag and review pass in every contract, mask and block do not", arguments: contracts.indices)
  func actions(index: Int) async {
    let (adapter, path, headers, request) = Self.contracts[index]
    for (text, pass, action) in [
      ("hello", true, "allow"), ("the otter code", true, "flag"), ("the swan code", true, "review"),
      ("the heron code", false, "mask"), ("project nightingale", false, "block"), ("harm S1", false, "block"),
      ("the magpie code", false, "block"), ("harm", false, "block"),
    ] {
      let answer = await adapter.answer(to: request(text), at: path, headers: headers)
      #expect(passes(answer) == pass, "\(text): \(String(decoding: answer.body, as: UTF8.self))")
      #expect(answer.header("x-paddock-action") == action, "\(text)")
    }
  }

  @Test(
    "What was not judged passes nowhere unless the policy lets it, and then the answer tells it",
    arguments: contracts.indices)
  func notJudged(index: Int) async {
    let (adapter, path, headers, request) = Self.contracts[index]
    #expect(!passes(await adapter.answer(to: request("unclear"), at: path, headers: headers)))
    let strict = await adapter.answer(to: request("fremd"), at: path, headers: headers, policy: "contracts-strict")
    #expect(!passes(strict))
    let flagged = await adapter.answer(to: request("fremd"), at: path, headers: headers)
    // Detections have no word for it, so there it is an error whatever the policy does short of allowing it.
    guard !(adapter is FMSAdapter) else { return #expect(flagged.status == 422) }
    #expect(passes(flagged) && flagged.header("x-paddock-verdict") == "not_judged")
    #expect(flagged.header("x-paddock-not-judged")?.hasSuffix("=language") ?? false)
  }

  @Test("An answer repeats nothing of the text but where the contract has a place for it", arguments: contracts.indices)
  func repeatsNothing(index: Int) async {
    let (adapter, path, headers, request) = Self.contracts[index]
    let answer = await adapter.answer(to: request("zanzibar harm S1"), at: path, headers: headers)
    let text = String(decoding: answer.body, as: UTF8.self) + answer.headers.map(\.value).joined()
    #expect(text.contains("zanzibar") == (path == "/api/v1/text/contents"))
  }

  @Test("A wrong request is an error of the contract's own shape", arguments: contracts.indices)
  func errors(index: Int) async {
    let (adapter, path, headers, _) = Self.contracts[index]
    for body in ["{", "[]", "{}", #"{"messages":[],"input":[],"contents":0,"input_type":"x"}"#] {
      let answer = await adapter.answer(to: body, at: path, headers: headers)
      #expect((400..<500).contains(answer.status), "\(body)")
      let json = answer.json
      #expect(
        json["error"]?["message"]?.string ?? json["detail"]?.string ?? json["message"]?.string != nil, "\(body)")
    }
  }

  @Test("A field that nobody knows is reported, and blocks where the policy says so", arguments: contracts.indices)
  func unknownFields(index: Int) async {
    let (adapter, path, headers, request) = Self.contracts[index]
    let body = request("hello").dropLast() + #","brand_new":{"x":"y"}}"#
    let answer = await adapter.answer(to: String(body), at: path, headers: headers)
    if adapter is FMSAdapter { return #expect(answer.status == 422) }
    #expect(passes(answer) && answer.header("x-paddock-not-judged") == "brand_new=opaque")
    #expect(!passes(await adapter.answer(to: String(body), at: path, headers: headers, policy: "contracts-strict")))
  }
}

@Suite struct ModerationsTests {
  @Test("Every category of every built-in taxonomy counts under names that the contract has")
  func table() {
    for taxonomy in contractPolicies.taxonomies.values {
      for category in taxonomy.categories {
        let names = ModerationScores.names(of: category)
        #expect(!names.isEmpty && Set(names).isSubset(of: ModerationScores.names), "\(category.code)")
        // Only what has no hazard in the table falls back.
        #expect(category.hazards.first.map { ModerationScores.byHazard[$0] != nil || $0 == "jailbreak" } ?? true)
      }
    }
    #expect(ModerationScores.names.count == 13)
  }

  @Test(
    "A finding is true under its names, with its score",
    arguments: [
      ("harm S1", ["violence", "violence/graphic", "illicit/violent"]), ("harm S2", ["illicit"]),
      ("harm S10", ["harassment", "hate"]), ("harm S6", ["illicit"]), ("harm", ["illicit"]),
      ("harm S4", ["sexual", "sexual/minors"]),
      ("harm S11", ["self-harm", "self-harm/intent", "self-harm/instructions"]),
      (
        "harm S1 S10",
        [
          "violence", "violence/graphic", "illicit/violent", "harassment", "hate", "harassment/threatening",
          "hate/threatening",
        ]
      ),
    ])
  func categories(text: String, names: [String]) async throws {
    let result = try #require(await moderations.answer(to: #"{"input":"\#(text)"}"#).json["results"]?[0])
    #expect(result["categories"]?.object?.members.count == 13)
    for name in ModerationScores.names {
      #expect(result["categories"]?[name] == .bool(names.contains(name)), "\(name)")
      #expect(result["category_scores"]?[name]?.double == (names.contains(name) ? 0.9 : 0), "\(name)")
      #expect(result["category_applied_input_types"]?[name] == .array([.string("text")]))
    }
  }

  @Test("Texts get a result each in their order, parts one together, and an empty text is not flagged")
  func forms() async {
    let several = await moderations.answer(to: #"{"input":["harm S2","","hello"],"model":"omni-moderation-latest"}"#)
    #expect(several.json["results"]?.array?.map { $0["flagged"] } == [.bool(true), .bool(false), .bool(false)])
    #expect(several.json["model"]?.string == "told-1")
    #expect(several.json["id"]?.string?.hasPrefix("modr-") ?? false)
    let parts = #"{"input":[{"type":"text","text":"hello"},{"type":"image_url","image_url":{"url":"data:,"}}]}"#
    let flagged = await moderations.answer(to: parts)
    #expect(flagged.json["results"]?.array?.map { $0["flagged"] } == [.bool(false)])
    #expect(flagged.header("x-paddock-not-judged") == "input[1]=media")
    let strict = await moderations.answer(to: parts, policy: "contracts-strict")
    #expect(strict.json["results"]?.array?.map { $0["flagged"] } == [.bool(true)])
  }

  @Test("The form with messages names hazards")
  func messages() async {
    let answer = await moderations.answer(to: chat("harm S7 S11"))
    #expect(
      answer.json["results"]?[0]?.object?.members.map(\.key) == ["flagged", "flagged_categories"])
    #expect(answer.json["results"]?[0]?["flagged_categories"] == .array([.string("privacy"), .string("self_harm")]))
  }
}

@Suite struct LiteLLMTests {
  @Test("Masked texts keep number and order; what cannot be masked blocks")
  func masks() async {
    let masked = await liteLLM.answer(
      to: #"{"input_type":"request","texts":["a","the heron code","b"],"tools":[{"name":"t"}]}"#)
    #expect(masked.json["action"]?.string == "GUARDRAIL_INTERVENED")
    #expect(masked.json["texts"] == .array([.string("a"), .string("the [masked]"), .string("b")]))
    let tool = await liteLLM.answer(
      to: #"{"input_type":"request","texts":["the heron code"],"tool_calls":[{"function":{"arguments":"heron code"}}]}"#
    )
    #expect(tool.json["action"]?.string == "BLOCKED" && tool.json["texts"] == nil)
    let both = await liteLLM.answer(to: #"{"input_type":"request","texts":["the heron code","harm S1"]}"#)
    #expect(
      both.json["blocked_reason"]?.string == "The content violates the policy: Privacy (S7), Violent Crimes (S1).")
  }

  static let leaves = [
    #""structured_messages":[{"role":"user","content":"@"}]"#,
    #""structured_messages":[{"role":"user","content":[{"type":"text","text":"@"}]}]"#,
    #""structured_messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"@"}}]}]"#,
    #""structured_messages":[{"role":"function","name":"f","content":"@"}]"#,
    #""structured_messages":[{"role":"user","content":[{"type":"tool_result","content":"@"}]}]"#,
    #""structured_messages":[{"role":"user","content":"a","x":{"y":"@"}}]"#,
    #""structured_messages":[{"parts":["@"]}]"#,
    #""tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"@":{}}}}}]"#,
    #""tool_calls":[{"function":{"name":"@"}}]"#, #""texts":["@"]"#,
  ]

  @Test("Every leaf that reaches a model is judged", arguments: leaves)
  func everyLeaf(member: String) async {
    let body = #"{"input_type":"request",\#(member.replacing("@", with: "project nightingale"))}"#
    #expect(await liteLLM.answer(to: body).json["action"]?.string == "BLOCKED")
  }

  @Test("Images are reported, ids and headers are not judged, and a text is not judged twice")
  func others() async throws {
    let image = await liteLLM.answer(to: #"{"input_type":"request","texts":["hi"],"images":["data:,"]}"#)
    #expect(image.json["action"]?.string == "NONE" && image.header("x-paddock-not-judged") == "images[0]=media")
    let record = await liteLLM.answer(
      to:
        #"{"input_type":"request","texts":[],"request_data":{"user_api_key_alias":"project nightingale"},"model":"m"}"#)
    #expect(record.json["action"]?.string == "NONE")
    let twice = await liteLLM.answer(
      to: #"{"input_type":"request","texts":["hi"],"structured_messages":[{"role":"user","content":"hi"}]}"#)
    // One verdict alone has an id.
    #expect(twice.header("x-paddock-id") != nil)
  }
}

@Suite struct ForwardAuthTests {
  @Test("A cut body, no body and a body that is no chat are refused, and no error is of the proxy's own kind")
  func refuses() async {
    for (body, headers) in [
      (chat("hello"), "x-envoy-auth-partial-body: true\r\n"), ("", ""), ("hello", ""), ("{}", ""),
      (#"{"query":"hello"}"#, ""), (#"{"messages":[],"prompt":"x"}"#, ""),
      (#"{"prompt":"x","Prompt":"y"}"#, ""), (chat(""), ""),
    ] {
      let answer = await forwardAuth.answer(to: body, headers: headers)
      #expect(answer.status == 403 && answer.json["error"]?["message"]?.string != nil, "\(body)")
    }
    #expect(await forwardAuth.answer(to: chat("hi"), headers: "x-envoy-auth-partial-body: false\r\n").status == 200)
    // Tokens have no text here: the policy says what becomes of that.
    #expect(await forwardAuth.answer(to: #"{"prompt":[1,2]}"#).header("x-paddock-verdict") == "not_judged")
    #expect(forwardAuth.response(to: APIError(status: 500, code: "internal", message: "x")).status == 403)
    #expect(forwardAuth.response(to: .overloaded).header("Retry-After") == "1")
  }

  @Test("A request without a body passes only where the configuration says so")
  func withoutBody() async {
    var settings = AdapterSettings(.forwardAuth)
    settings.allowsWithoutBody = true
    let answer = await ForwardAuthAdapter(settings: settings).answer(to: "")
    #expect(answer.status == 200 && answer.header("x-paddock-verdict") == "not_judged")
  }

  @Test(
    "Everything that reaches a model is judged",
    arguments: [
      #"{"prompt":"@"}"#, #"{"prompt":["a","@"]}"#, #"{"input":"@"}"#, #"{"input":"a","instructions":"@"}"#,
      #"{"messages":[{"role":"user","content":"a"}],"tools":[{"function":{"description":"@"}}]}"#,
      #"{"messages":[{"role":"user","content":"a"}],"system":[{"type":"text","text":"@"}]}"#,
      #"{"messages":[{"role":"user","content":"a"}],"metadata":{"@":"b"}}"#,
      #"{"messages":[{"role":"user","content":"a","Content":"@"}]}"#,
      #"{"input":[{"role":"user","content":[{"type":"input_text","text":"@"}]}]}"#,
    ])
  func everyLeaf(body: String) async {
    #expect(await forwardAuth.answer(to: body.replacing("@", with: "a")).status == 200)
    let refused = await forwardAuth.answer(to: body.replacing("@", with: "project nightingale"))
    #expect(refused.status == 403 && refused.json["error"]?["code"]?.string == "content_policy_violation")
    #expect(refused.header("x-paddock-categories") == "S7")
  }
}

@Suite struct FMSTests {
  @Test("Places are code points, and what has none is the whole text")
  func places() async throws {
    let answer = await fms.answer(
      to: #"{"contents":["👍🏽 project nightingale","añ harm S1",""]}"#, headers: "detector-id: contracts\r\n")
    let lists = try #require(answer.json.array)
    #expect(lists.count == 3 && lists[2] == .array([]))
    let phrase = try #require(lists[0][0]?.object)
    #expect(phrase["start"]?.int == 3 && phrase["end"]?.int == 22 && phrase["text"]?.string == "project nightingale")
    #expect(phrase["detection"]?.string == "Privacy" && phrase["detection_type"]?.string == "privacy")
    #expect(phrase["score"]?.double == 1 && phrase["metadata"]?["code"]?.string == "S7")
    let whole = try #require(lists[1][0]?.object)
    #expect(whole["start"]?.int == 0 && whole["end"]?.int == 10 && whole["score"]?.double == 0.9)
  }

  @Test("Chat and generation answer a list without places")
  func conversations() async {
    for (path, body) in [
      ("/api/v1/text/chat", chat("harm S2")),
      ("/api/v1/text/generation", #"{"prompt":"a","generated_text":"harm S2"}"#),
    ] {
      let answer = await fms.answer(to: body, at: path, headers: "detector-id: paddock\r\n")
      #expect(answer.json[0]?["detection"]?.string == "Non-Violent Crimes" && answer.json[0]?["start"] == nil)
    }
    let context = await fms.answer(
      to: #"{"prompt":"project nightingale","generated_text":"no"}"#, at: "/api/v1/text/generation",
      headers: "detector-id: paddock\r\n")
    #expect(context.json == .array([]))
  }

  @Test("A detector is a policy; another one is 404, none is 422, and what failed is 503")
  func detectors() async {
    func status(_ headers: String, _ text: String = "hello") async -> Int {
      let answer = await fms.answer(to: #"{"contents":["\#(text)"]}"#, headers: headers)
      #expect(answer.status == 200 || answer.json["code"]?.int == answer.status)
      return answer.status
    }
    #expect(await status("detector-id: strict\r\n") == 200)
    #expect(await status("detector-id: nobody\r\n") == 404)
    #expect(await status("") == 422)
    #expect(await status("detector-id: paddock\r\n", "unclear") == 503)
    // A finding that is only flagged hides nothing that was not judged.
    #expect(await status("detector-id: paddock\r\n", "the otter code fremd") == 422)
    #expect(await status("detector-id: paddock\r\n", "project nightingale fremd") == 200)
  }
}

@Suite struct NeMoTests {
  private let turns =
    #"{"messages":[{"role":"user","content":"project nightingale"},{"role":"assistant","content":"ok"}]@}"#

  @Test("Rails follow the roles, or what the caller names")
  func rails() async {
    func rail(_ more: String) async -> String? {
      await nemo.answer(to: turns.replacing("@", with: more)).json["rail"]?.string
    }
    #expect(await rail("") == "paddock input")
    #expect(await rail(#","guardrails":{"rail_types":["output"]}"#) == nil)
    #expect(await rail(#","guardrails":{"rail_types":["output","input"]}"#) == "paddock input")
    let dialog = await nemo.answer(to: turns.replacing("@", with: #","guardrails":{"rail_types":["dialog"]}"#))
    #expect(dialog.status == 422 && dialog.json["detail"]?.string != nil)
    let missing = await nemo.answer(to: chat("hi", #","guardrails":{"rail_types":["output"]}"#))
    #expect(missing.status == 422)
  }

  @Test("The content is the text, the masked text, or the refusal")
  func content() async {
    let passed = await nemo.answer(to: chat("hello"))
    #expect(passed.json.object?.members.map(\.key) == ["status", "content"])
    #expect(passed.json["content"]?.string == "hello")
    let modified = await nemo.answer(to: chat("the heron code"))
    #expect(modified.json["status"]?.string == "modified" && modified.json["content"]?.string == "the [masked]")
    let blocked = await nemo.answer(to: chat("harm S1"))
    #expect(blocked.json["status"]?.string == "blocked" && blocked.json["content"]?.string == "This is not for here.")
  }

  @Test("A configuration is a policy; what else the request holds is judged by every rail")
  func configuration() async {
    #expect(await nemo.answer(to: chat("hi", #","guardrails":{"config_id":"strict"}"#)).status == 200)
    #expect(await nemo.answer(to: chat("hi", #","guardrails":{"config_ids":["nobody"]}"#)).status == 422)
    #expect(await nemo.answer(to: chat("hi", #","guardrails":{"config_ids":["strict","default"]}"#)).status == 422)
    #expect(await nemo.answer(to: chat("hi", #","prompt":"x""#)).status == 422)
    for more in [
      #","guardrails":{"context":{"x":"project nightingale"}}"#, #","tools":[{"name":"project nightingale"}]"#,
    ] {
      #expect(await nemo.answer(to: chat("hi", more)).json["status"]?.string == "blocked")
    }
  }
}

@Suite struct LakeraTests {
  @Test("The breakdown has a detector for every category, and one for what was not judged")
  func breakdown() async throws {
    let answer = await lakera.answer(to: chat("harm S1", #","breakdown":true,"project_id":"project-1""#))
    let entries = try #require(answer.json["breakdown"]?.array)
    #expect(entries.count == 14 && entries.filter { $0["detected"] == .bool(true) }.count == 1)
    #expect(entries[0]["detector_type"]?.string == "moderated_content/violence")
    #expect(entries[0]["project_id"]?.string == "project-1" && entries[0]["policy_id"]?.string == "contracts")
    let unjudged = await lakera.answer(to: chat("fremd", #","breakdown":true"#))
    #expect(unjudged.json["flagged"] == .bool(false))
    #expect(unjudged.json["breakdown"]?.array?.last?["detector_type"]?.string == "not_judged")
    #expect(await lakera.answer(to: chat("hi")).json.object?.members.map(\.key) == ["flagged", "metadata"])
  }

  @Test("The payload has places in code points")
  func payload() async throws {
    let answer = await lakera.answer(
      to: #"{"messages":[{"role":"assistant","content":"a"},{"role":"user","content":"é heron code"}],"payload":true}"#)
    let entry = try #require(answer.json["payload"]?[0])
    #expect(entry["start"]?.int == 2 && entry["end"]?.int == 12 && entry["text"]?.string == "heron code")
    #expect(entry["message_id"]?.int == 1 && entry["labels"] == .array([.string("phrases.deny[1]")]))
  }

  @Test("A policy that is not there is a wrong request; ids look like ids")
  func policies() async {
    #expect(await lakera.answer(to: chat("hi", #","policy_id":"strict""#)).status == 200)
    #expect(await lakera.answer(to: chat("hi", #","policy_id":"nobody""#)).status == 400)
    let id = await lakera.answer(to: chat("hi")).json["metadata"]?["request_uuid"]?.string ?? ""
    #expect(id.split(separator: "-").map(\.count) == [8, 4, 4, 4, 12])
  }
}
