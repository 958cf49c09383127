/// What goes in at one end and comes out at the other, in one piece of memory.
struct Queue<Element: Sendable>: Sendable {
  private var elements: [Element] = []
  private var start = 0

  var count: Int { elements.count - start }
  var isEmpty: Bool { count == 0 }

  subscript(index: Int) -> Element {
    get { elements[start + index] }
    set { elements[start + index] = newValue }
  }

  mutating func append(_ element: Element) { elements.append(element) }
  /// The same, in one with the last where that is possible.
  mutating func append(_ element: Element, joining join: (Element, Element) -> Element?) {
    if !isEmpty, let joined = join(elements[elements.count - 1], element) {
      elements[elements.count - 1] = joined
    } else {
      elements.append(element)
    }
  }
  mutating func append(_ more: some Collection<Element>) { elements.append(contentsOf: more) }

  /// The first elements.
  private func first(_ count: Int) -> [Element] { Array(elements[start..<start + count]) }

  /// Takes the first elements out and hands them on: all of them without a copy.
  mutating func take(_ count: Int) -> [Element] {
    guard start == 0, count == elements.count else {
      defer { drop(count) }
      return first(count)
    }
    let all = elements
    elements = []
    // As many may come again.
    elements.reserveCapacity(all.count)
    return all
  }

  /// Takes the first elements out.
  mutating func drop(_ count: Int) {
    guard count > 0 else { return }
    start += count
    // What has left takes no more room than what is there.
    guard start * 2 >= elements.count else { return }
    elements.removeSubrange(..<start)
    start = 0
  }
}
