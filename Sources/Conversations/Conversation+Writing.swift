import StrictJSON

extension Conversation {
  /// Writes the messages as a request's `messages`, which read back as the same parts with the same paths. What has no text
  /// here (an image, an unknown field) is written as something of its kind that says no more than that it was there.
  public func writeMessages(to writer: inout JSONWriter) {
    writer.array { writer in for message in messages { message.write(to: &writer) } }
  }
}

extension Message {
  fileprivate func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.key("role")
      writer.string(role.rawValue)
      writer.key("content")
      writeContent(to: &writer)
      writeToolCalls(to: &writer)
      // Two fields whose long names are shown alike were told as two and are told as one.
      var written: Set<String> = []
      for part in parts {
        guard case .other(let name) = part.path.field, written.insert(name).inserted else { continue }
        writer.key(name)
        writer.bool(true)
      }
    }
  }

  private func writeContent(to writer: inout JSONWriter) {
    if let text = parts.first(where: { $0.path.field == .content }) { return writer.string(text.text) }
    let elements = parts.filter { if case .contentPart = $0.path.field { true } else { false } }
    guard !elements.isEmpty else { return writer.null() }
    writer.array { writer in
      for part in elements {
        writer.object { writer in
          writer.key("type")
          writer.string(part.kind == .text ? "text" : part.kind == .media ? "image_url" : "unknown")
          guard part.kind == .text else { return }
          writer.key("text")
          writer.string(part.text)
        }
      }
    }
  }

  private func writeToolCalls(to writer: inout JSONWriter) {
    var calls: [Int: (name: String, arguments: String)] = [:]
    for part in parts {
      switch part.path.field {
      case .toolName(let index): calls[index, default: ("", "")].name = part.text
      case .toolArguments(let index): calls[index, default: ("", "")].arguments = part.text
      default: continue
      }
    }
    guard let last = calls.keys.max() else { return }
    writer.key("tool_calls")
    writer.array { writer in
      for index in 0...last {
        writer.object { writer in
          writer.key("type")
          // In the place of a call of a kind that Paddock does not know stands one that holds nothing.
          guard let call = calls[index] else { return writer.string("custom") }
          writer.string("function")
          writer.key("function")
          writer.object { writer in
            writer.key("name")
            writer.string(call.name)
            writer.key("arguments")
            writer.string(call.arguments)
          }
        }
      }
    }
  }
}
