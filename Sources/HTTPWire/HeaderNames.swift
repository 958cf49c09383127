/// Names of header fields that fields are held against, as HTTP does: without regard to the case of ASCII letters.
public struct HeaderNames: Sendable {
  /// One behind the other, the shortest first; no string is made of a name that is held against them.
  private let names: [UInt8]
  /// By length, where those of it begin.
  private let starts: [Int]
  private let prefixes: [[UInt8]]

  /// These names, and all that begin with one of the prefixes; lower-case ASCII.
  public init(_ names: [String], prefixes: [String] = []) {
    var (bytes, starts): ([UInt8], [Int]) = ([], [0])
    for length in 0...(names.map(\.utf8.count).max() ?? 0) {
      for name in names where name.utf8.count == length { bytes += name.utf8 }
      starts.append(bytes.count)
    }
    (self.names, self.starts) = (bytes, starts)
    self.prefixes = prefixes.map { Array($0.utf8) }
  }

  /// Whether a name is one of them.
  public func contains(_ name: String) -> Bool {
    var name = name
    return name.withUTF8 { contains($0) }
  }

  func contains(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
    if !name.isEmpty, name.count + 1 < starts.count {
      let found = names.withUnsafeBufferPointer { names in
        stride(from: starts[name.count], to: starts[name.count + 1], by: name.count).contains { start in
          Self.begins(name, with: UnsafeBufferPointer(rebasing: names[start..<start + name.count]))
        }
      }
      if found { return true }
    }
    return prefixes.contains { prefix in
      name.count >= prefix.count && prefix.withUnsafeBufferPointer { Self.begins(name, with: $0) }
    }
  }

  private static func begins(_ name: UnsafeBufferPointer<UInt8>, with start: UnsafeBufferPointer<UInt8>) -> Bool {
    for index in start.indices where lowercased(name[index]) != start[index] { return false }
    return true
  }
}
