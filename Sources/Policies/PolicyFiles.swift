import CBuiltins
import Documents
import Foundation

/// The YAML files of a policy set by their path below `policies/`: those inside the binary, and a folder over them.
struct PolicyFiles {
  /// One file.
  struct File {
    /// As messages show it.
    var shownPath: String
    /// What it holds.
    var text: String
    /// Without folder and suffix; what the document must be named.
    var stem: String
    /// Whether it comes from inside the binary.
    var isBuiltin: Bool
  }

  private(set) var files: [String: File] = [:]

  /// The files inside the binary.
  static var builtin: PolicyFiles {
    var files = PolicyFiles()
    for index in 0..<cbuiltins_count() {
      let file = cbuiltins_at(index)
      let path = String(cString: file.path)
      guard path.hasSuffix(".yaml") else { continue }
      let text = String(decoding: UnsafeBufferPointer(start: file.bytes, count: file.count), as: UTF8.self)
      files.add(path, text: text, shownPath: "(built-in) policies/\(path)", isBuiltin: true)
    }
    return files
  }

  /// Lays the YAML files of a folder over these: a file of the same path replaces one, any other is added.
  mutating func overlay(directory: String, problems: Problems) {
    for folder in ["", "taxonomies", "profiles"] {
      let path = folder.isEmpty ? directory : "\(directory)/\(folder)"
      let names: [String]
      do {
        names = try FileManager.default.contentsOfDirectory(atPath: path)
      } catch {
        if folder.isEmpty {
          problems.add(Problem(file: path, line: 0, column: 0, message: "is no folder that can be read"))
        }
        continue
      }
      for name in names.sorted() where name.hasSuffix(".yaml") || name.hasSuffix(".yml") {
        read("\(path)/\(name)", as: (folder.isEmpty ? "" : folder + "/") + name, problems)
      }
    }
  }

  private mutating func read(_ path: String, as relative: String, _ problems: Problems) {
    guard let data = FileManager.default.contents(atPath: path) else {
      return problems.add(Problem(file: path, line: 0, column: 0, message: "cannot be read"))
    }
    guard let text = String(validating: data, as: UTF8.self) else {
      return problems.add(Problem(file: path, line: 0, column: 0, message: "is not UTF-8"))
    }
    let suffix = relative.hasSuffix(".yml") ? 4 : 5
    add(String(relative.dropLast(suffix)) + ".yaml", text: text, shownPath: path, isBuiltin: false)
  }

  private mutating func add(_ relative: String, text: String, shownPath: String, isBuiltin: Bool) {
    let name = relative.split(separator: "/").last ?? ""
    files[relative] = File(
      shownPath: shownPath, text: text, stem: String(name.dropLast(".yaml".count)), isBuiltin: isBuiltin)
  }

  /// The files right below a folder (`""` for the policies themselves), by name.
  func files(in folder: String) -> [File] {
    files.filter { path, _ in
      let parts = path.split(separator: "/")
      return parts.count == (folder.isEmpty ? 1 : 2) && (folder.isEmpty || parts[0] == folder)
    }.sorted { $0.key < $1.key }.map(\.value)
  }
}
