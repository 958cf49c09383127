import Conversations
import StrictJSON

extension JSON {
  /// The value with texts in the place of others; nil where a path is not there, or has no single place.
  func masked(_ messages: [ReadMessage], _ texts: [PartPath: String]) -> JSON? {
    var (result, left) = (self, Set(texts.keys))
    for (index, message) in messages.enumerated() {
      for leaf in message.leaves {
        let path = leaf.part(ofMessage: index).path
        guard let text = texts[path] else { continue }
        // A path that comes twice says of neither which it is.
        guard left.remove(path) != nil, let place = leaf.place, result.replace(place[...], by: text) else { return nil }
      }
    }
    return left.isEmpty ? result : nil
  }

  private mutating func replace(_ place: ArraySlice<FieldReader.Step>, by text: String) -> Bool {
    guard let step = place.first else {
      guard string != nil else { return false }
      self = .string(text)
      return true
    }
    switch (step, self) {
    case (.key(let key), .object(var object)):
      guard var value = object[key], value.replace(place.dropFirst(), by: text) else { return false }
      object[key] = value
      self = .object(object)
    case (.index(let index), .array(var elements)):
      guard elements.indices.contains(index), elements[index].replace(place.dropFirst(), by: text) else { return false }
      self = .array(elements)
    default: return false
    }
    return true
  }
}
