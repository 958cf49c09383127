/// Scalars to and from UTF-8, over bytes that need not be well formed.
enum UTF8Scalar {
  /// The scalar that starts at a position, and how many bytes it has; nil and one byte where none starts there.
  static func decode(_ text: UnsafeBufferPointer<UInt8>, _ position: Int) -> (scalar: UInt32?, width: Int) {
    let first = UInt32(text[position])
    let (width, least): (Int, UInt32)
    switch first {
    case 0..<0x80: return (first, 1)
    case 0xC2..<0xE0: (width, least) = (2, 0x80)
    case 0xE0..<0xF0: (width, least) = (3, 0x800)
    case 0xF0..<0xF5: (width, least) = (4, 0x10000)
    default: return (nil, 1)
    }
    guard position + width <= text.count else { return (nil, 1) }
    var scalar = first & (0xFF >> UInt32(width + 1))
    for index in 1..<width {
      let byte = UInt32(text[position + index])
      guard byte & 0xC0 == 0x80 else { return (nil, 1) }
      scalar = scalar << 6 | (byte & 0x3F)
    }
    guard scalar >= least, scalar < 0x110000, !(0xD800..<0xE000).contains(scalar) else { return (nil, 1) }
    return (scalar, width)
  }

  /// Calls `body` with the bytes of a scalar.
  static func forEachByte(of scalar: UInt32, _ body: (UInt8) -> Void) {
    func tail(_ shift: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: 0x80 | (scalar >> shift & 0x3F)) }
    switch scalar {
    case 0..<0x80: body(UInt8(truncatingIfNeeded: scalar))
    case 0x80..<0x800:
      body(UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6))
      body(tail(0))
    case 0x800..<0x10000:
      body(UInt8(truncatingIfNeeded: 0xE0 | scalar >> 12))
      body(tail(6))
      body(tail(0))
    default:
      body(UInt8(truncatingIfNeeded: 0xF0 | scalar >> 18))
      body(tail(12))
      body(tail(6))
      body(tail(0))
    }
  }
}
