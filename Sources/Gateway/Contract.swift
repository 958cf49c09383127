import CBuiltins

/// The OpenAPI description of the native API, as compiled in from docs/openapi.json.
enum Contract {
  static let bytes: [UInt8] = {
    for index in 0..<cbuiltins_count() {
      let file = cbuiltins_at(index)
      guard String(cString: file.path) == "openapi.json" else { continue }
      return Array(UnsafeBufferPointer(start: file.bytes, count: file.count))
    }
    return []
  }()
}
