/// A plot as SVG, drawn in the colours of the page that it stands in.
struct SVGPlot {
  /// The numbers along one axis.
  struct Axis {
    var title: String
    var range: ClosedRange<Double>
    /// Where a line is drawn, and what stands at it.
    var ticks: [(value: Double, label: String)]

    /// Shares from 0 to 1.
    static func share(_ title: String) -> Axis {
      Axis(
        title: title, range: 0...1,
        ticks: [0, 0.25, 0.5, 0.75, 1].map { ($0, $0 == 0 ? "0" : $0 == 1 ? "1" : "\($0)") })
    }
  }

  private let horizontal: Axis
  private let vertical: Axis
  private let title: String
  private var shapes = ""

  private static let (width, height) = (460.0, 330.0)
  private static let (left, right, top, bottom) = (56.0, 14.0, 12.0, 48.0)

  /// An empty plot.
  ///
  /// - Parameter title: what it shows, for people who do not see it.
  init(title: String, horizontal: Axis, vertical: Axis) {
    self.title = title
    self.horizontal = horizontal
    self.vertical = vertical
  }

  private func x(_ value: Double) -> Double {
    let share = (value - horizontal.range.lowerBound) / (horizontal.range.upperBound - horizontal.range.lowerBound)
    return Self.left + share * (Self.width - Self.left - Self.right)
  }

  private func y(_ value: Double) -> Double {
    let share = (value - vertical.range.lowerBound) / (vertical.range.upperBound - vertical.range.lowerBound)
    return Self.height - Self.bottom - share * (Self.height - Self.top - Self.bottom)
  }

  /// A line through points; of a class of the page's style.
  mutating func line(_ points: [(x: Double, y: Double)], of style: String = "line") {
    let text = points.map { "\(x($0.x).digits(1)),\(y($0.y).digits(1))" }.joined(separator: " ")
    shapes += "<polyline class=\"\(style)\" points=\"\(text)\"/>\n"
  }

  /// A bar that stands on the lower axis, with what is shown when pointed at.
  mutating func bar(from start: Double, to end: Double, height: Double, of style: String = "bar", note: String) {
    let (from, to, top) = (x(start) + 1, x(end) - 1, y(height))
    shapes += rectangle(from, top, max(1, to - from), y(vertical.range.lowerBound) - top, style, note)
  }

  /// A dot, with what is shown when pointed at.
  mutating func dot(_ horizontal: Double, _ vertical: Double, note: String) {
    shapes +=
      "<circle class=\"dot\" cx=\"\(x(horizontal).digits(1))\" cy=\"\(y(vertical).digits(1))\" r=\"4\">"
      + "<title>\(note.escapedForHTML)</title></circle>\n"
  }

  private func rectangle(
    _ x: Double, _ y: Double, _ width: Double, _ height: Double, _ style: String, _ note: String
  ) -> String {
    "<rect class=\"\(style)\" x=\"\(x.digits(1))\" y=\"\(y.digits(1))\" width=\"\(width.digits(1))\" "
      + "height=\"\(height.digits(1))\"><title>\(note.escapedForHTML)</title></rect>\n"
  }

  /// The plot as an element of a page.
  var markup: String {
    let (low, high) = (y(vertical.range.lowerBound), y(vertical.range.upperBound))
    let (first, last) = (x(horizontal.range.lowerBound), x(horizontal.range.upperBound))
    var grid = ""
    for tick in horizontal.ticks {
      let place = x(tick.value).digits(1)
      grid += "<line class=\"grid\" x1=\"\(place)\" y1=\"\(high.digits(1))\" x2=\"\(place)\" y2=\"\(low.digits(1))\"/>"
      grid += "<text x=\"\(place)\" y=\"\((low + 16).digits(1))\" text-anchor=\"middle\">\(tick.label)</text>\n"
    }
    for tick in vertical.ticks {
      let place = y(tick.value)
      grid += "<line class=\"grid\" x1=\"\(first.digits(1))\" y1=\"\(place.digits(1))\" x2=\"\(last.digits(1))\" "
      grid += "y2=\"\(place.digits(1))\"/><text x=\"\((first - 6).digits(1))\" y=\"\((place + 4).digits(1))\" "
      grid += "text-anchor=\"end\">\(tick.label)</text>\n"
    }
    let middle = ((first + last) / 2).digits(1)
    let beside = ((low + high) / 2).digits(1)
    return """
      <svg viewBox="0 0 \(Int(Self.width)) \(Int(Self.height))" role="img" aria-label="\(title.escapedForHTML)">
      \(grid)\(shapes)<text class="axis" x="\(middle)" y="\((Self.height - 8).digits(1))" text-anchor="middle">\
      \(horizontal.title.escapedForHTML)</text>
      <text class="axis" x="14" y="\(beside)" text-anchor="middle" transform="rotate(-90 14 \(beside))">\
      \(vertical.title.escapedForHTML)</text>
      </svg>

      """
  }
}

extension String {
  /// The text as it stands in HTML, in elements and in attributes.
  var escapedForHTML: String {
    var text = ""
    for scalar in unicodeScalars {
      switch scalar {
      case "&": text += "&amp;"
      case "<": text += "&lt;"
      case ">": text += "&gt;"
      case "\"": text += "&quot;"
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text
  }
}
