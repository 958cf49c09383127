import Documents

/// Reads a taxonomy file, or one written into a policy.
enum TaxonomyDecoder {
  static func taxonomy(_ mapping: DocumentMapping, stem: String) -> Taxonomy? {
    let name = mapping.name(stem: stem)
    let version = mapping.required("version")?.string
    let categories = mapping.required("categories").flatMap { list in
      Self.categories(list) { mapping in mapping.finish() }
    }
    guard let name, let version, let categories else { return nil }
    return make(name: name, version: version, categories: categories)
  }

  /// The categories of a list; `finish` reads what else an item may hold.
  static func categories(_ list: DocumentValue, finish: (DocumentMapping) -> Void) -> [Category]? {
    guard let items = list.list else { return nil }
    guard !items.isEmpty else {
      list.fail("must hold at least one category")
      return nil
    }
    var categories: [Category] = []
    for item in items {
      guard let mapping = item.mapping else { continue }
      let category = category(mapping)
      finish(mapping)
      guard let category else { continue }
      if categories.contains(where: { $0.code.lowercased() == category.code.lowercased() }) {
        item.fail("the code \(category.code) stands twice")
      }
      categories.append(category)
    }
    return categories.count == items.count ? categories : nil
  }

  private static func category(_ mapping: DocumentMapping) -> Category? {
    let code = mapping.required("code").flatMap { value -> String? in
      guard let code = value.string else { return nil }
      guard isCode(code) else {
        value.fail("must be a letter, then at most 31 letters, digits, - or _, and neither \"safe\" nor \"unsafe\"")
        return nil
      }
      return code
    }
    let name = mapping.required("name").flatMap { line($0) }
    let description = mapping["description"]?.string ?? ""
    let violating = mapping["violating"]?.strings ?? []
    let notViolating = mapping["not_violating"]?.strings ?? []
    let hazards = mapping["hazards"]?.strings ?? []
    let controls = controls(mapping["controls"])
    guard let code, let name else { return nil }
    return Category(
      code: code, name: name, description: description, violating: violating, notViolating: notViolating,
      hazards: hazards, controls: controls)
  }

  private static func controls(_ value: DocumentValue?) -> Category.Controls {
    guard let mapping = value?.mapping else { return Category.Controls() }
    func texts(_ key: String) -> [String] {
      guard let value = mapping[key] else { return [] }
      return (value.isList ? value.strings : value.string.map { [$0] }) ?? []
    }
    let controls = Category.Controls(violating: texts("violating"), benign: texts("benign"))
    mapping.finish()
    return controls
  }

  /// A name goes onto one line of a prompt.
  private static func line(_ value: DocumentValue) -> String? {
    guard let text = value.string else { return nil }
    guard !text.isEmpty, !text.contains(where: \.isNewline) else {
      value.fail("must be one line of text")
      return nil
    }
    return text
  }

  /// Whether a model could answer with it: codes are separated by commas and white space.
  static func isCode(_ text: String) -> Bool {
    let isWord = text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
    return isWord && text.utf8.count <= 32 && text.first?.isLetter == true
      && !["safe", "unsafe"].contains(text.lowercased())
  }

  static func make(name: String, version: String, categories: [Category]) -> Taxonomy {
    var digest = Digest()
    digest.add("name", name)
    digest.add("version", version)
    for category in categories {
      digest.add("code", category.code)
      digest.add("name", category.name)
      digest.add("description", category.description)
      digest.add("violating", category.violating)
      digest.add("not_violating", category.notViolating)
      digest.add("hazards", category.hazards)
    }
    return Taxonomy(name: name, version: version, categories: categories, digest: digest.value)
  }
}
