/// Writes the head of a response, piece by piece: the start, any number of fields, the end.
public enum ResponseHead {
  /// Status line, `Server` and `Date`; no line end behind the last, so that every field begins with its own.
  public static func appendStart(to output: inout OutputBuffer, status: Int, date: [UInt8]) {
    output.append("HTTP/1.1 ")
    output.append(status)
    output.append(" ")
    append(reason(status), to: &output, keeping: HeadReader.isFieldByte)
    output.append("\r\nServer: paddock\r\nDate: ")
    output.append(date)
  }

  /// A field. Control characters in it are dropped, so that no value starts a line of its own.
  public static func append(_ name: String, _ value: String, to output: inout OutputBuffer) {
    output.append("\r\n")
    append(name, to: &output, keeping: HeadReader.isToken)
    output.append(": ")
    append(value, to: &output, keeping: HeadReader.isFieldByte)
  }

  /// The same behind lines that are kept (`ServerResponse.lines`).
  public static func append(_ name: String, _ value: String, to lines: inout [UInt8]) {
    lines += "\r\n".utf8
    for byte in name.utf8 where HeadReader.isToken(byte) { lines.append(byte) }
    lines += ": ".utf8
    for byte in value.utf8 where HeadReader.isFieldByte(byte) { lines.append(byte) }
  }

  /// A field that is written down in the program.
  public static func append(_ name: StaticString, _ value: StaticString, to output: inout OutputBuffer) {
    output.append("\r\n")
    output.append(name)
    output.append(": ")
    output.append(value)
  }

  /// How the end of the body is found that follows or, for `HEAD`, would follow.
  public enum Framing: Sendable {
    /// By its length.
    case length(Int)
    /// It comes in chunks. For HTTP/1.1 only.
    case chunked
    /// It ends with the connection, or the status has none (1xx, 204).
    case none
  }

  /// Framing, connection and the empty line.
  public static func appendEnd(
    to output: inout OutputBuffer, framing: Framing, keepsAlive: Bool, version: RequestHead.Version
  ) {
    switch framing {
    case .length(let count):
      output.append("\r\nContent-Length: ")
      output.append(count)
    case .chunked: output.append("\r\nTransfer-Encoding: chunked")
    case .none: break
    }
    if !keepsAlive {
      output.append("\r\nConnection: close")
    } else if version == .http10 {
      output.append("\r\nConnection: keep-alive")
    }
    output.append("\r\n\r\n")
  }

  /// Nearly every text may stand as it is, and a copy is faster than a filter.
  @inline(__always)
  private static func append(_ text: String, to output: inout OutputBuffer, keeping isAllowed: (UInt8) -> Bool) {
    var text = text
    text.withUTF8 { text in
      if text.allSatisfy(isAllowed) { output.append(text) } else { output.append(text.filter(isAllowed)) }
    }
  }

  /// What tells a client to send the body it holds back.
  public static let continueLine = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

  /// The reason phrase of a status (RFC 9110 §15).
  public static func reason(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 204: "No Content"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 411: "Length Required"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 417: "Expectation Failed"
    case 422: "Unprocessable Content"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    default: "Status"
    }
  }
}

/// Dates as HTTP writes them (RFC 9110 §5.6.7), as `Sun, 06 Nov 1994 08:49:37 GMT`.
public enum HTTPDate {
  /// The date of a number of seconds since 1970.
  public static func bytes(secondsSince1970 seconds: Int) -> [UInt8] {
    let days = Int((Double(seconds) / 86_400).rounded(.down))
    let rest = seconds - days * 86_400
    let (year, month, day) = civil(days)
    let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    let weekday = weekdays[((days % 7) + 7) % 7]
    let text =
      "\(weekday), \(two(day)) \(months[month - 1]) \(year) "
      + "\(two(rest / 3600)):\(two(rest / 60 % 60)):\(two(rest % 60)) GMT"
    return Array(text.utf8)
  }

  private static func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }

  /// The Gregorian date of a day number (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
  private static func civil(_ days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let part = (5 * dayOfYear + 2) / 153
    let month = part < 10 ? part + 3 : part - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * part + 2) / 5 + 1)
  }
}
