// swift-tools-version: 6.2
import PackageDescription

// Continuous integration sets STRICT_WARNINGS so that a warning fails the build there, while a user with a newer
// compiler and a warning we have not met yet still gets a binary.
let strict = Context.environment["STRICT_WARNINGS"] != nil

let swiftSettings: [SwiftSetting] =
  [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    // What runs in production is optimised over the borders of rooms, and without the checks of exclusive access at run
    // time, which debug builds and so all unit tests make: a twelfth of a small request (docs/decisions/0013).
    .unsafeFlags(
      ["-cross-module-optimization", "-enforce-exclusivity=unchecked"], .when(configuration: .release)),
  ] + (strict ? [.treatAllWarnings(as: .error)] : [])

/// A room of the house: see docs/architecture.md for what lives where. Arrows point down only.
func room(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

/// The tests of one room, in Tests/<name>Tests.
func tests(_ name: String, _ more: [Target.Dependency] = []) -> Target {
  .testTarget(
    name: name + "Tests",
    dependencies: [.init(stringLiteral: name)] + more,
    path: "Tests/\(name)Tests",
    swiftSettings: swiftSettings)
}

/// C that counts: optimised in debug builds too, where the tests would wait minutes for it.
func kernels(_ name: String) -> Target { .target(name: name, cSettings: [.unsafeFlags(["-O2"])]) }

/// A thin C target: static-inline wrappers over a system library, or bytes embedded in the binary.
func shim(_ name: String, links library: String? = nil) -> Target {
  .target(name: name, linkerSettings: library.map { [.linkedLibrary($0)] } ?? [])
}

let package = Package(
  name: "paddock",
  products: [.executable(name: "paddock", targets: ["paddock"])],
  dependencies: [
    .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
  ],
  targets: [
    // C shims
    shim("CLinux"),
    shim("CCurl", links: "curl"),
    shim("CZlib", links: "z"),
    shim("CCrypto", links: "crypto"),
    shim("COpenSSL", links: "ssl"),
    shim("CWeights"),
    kernels("CScoring"),
    kernels("CEncoder"),
    shim("CBuiltins"),
    kernels("CTextViews"),

    // pure: no sockets, no TLS, no curl
    room("StrictJSON", []),
    room("Conversations", ["StrictJSON"]),
    room("HTTPWire", []),
    room("ChatContracts", ["StrictJSON", "Conversations", "HTTPWire"]),
    room("Streaming", ["Moments"]),
    room("Documents", [.product(name: "Yams", package: "Yams")]),
    room("Policies", ["Documents", "Conversations", "StrictJSON", "CCrypto", "CBuiltins"]),
    room("Classifier", ["CCrypto", "CEncoder", "CScoring", "CTextViews", "CWeights", "StrictJSON"]),
    room("TextViews", ["CTextViews"]),
    room("Screening", ["Conversations", "Policies"]),

    // base
    room("Locking", []),
    room("Moments", []),
    room("EventLoops", ["CLinux", "Locking", "Moments", .product(name: "HeapModule", package: "swift-collections")]),
    room("Telemetry", ["StrictJSON", "Locking", .product(name: "Logging", package: "swift-log")]),

    // I/O
    room("HTTPServing", ["EventLoops", "HTTPWire", "Locking", "Moments", "CLinux", "COpenSSL", "CZlib"]),
    room(
      "ModelBackends",
      ["EventLoops", "HTTPWire", "Locking", "Moments", "Telemetry", "CCurl", "StrictJSON", "Policies"]),

    // core
    room("Guard", ["Screening", "Classifier", "TextViews", "ModelBackends", "EventLoops", "Moments", "Telemetry"]),

    // product
    room(
      "Gateway",
      [
        "Guard", "HTTPServing", "ChatContracts", "Streaming", "Telemetry", "Locking", "Moments", "StrictJSON",
        "CBuiltins", "CCrypto",
      ]),
    room("Evaluation", ["Classifier", "Conversations", "Moments", "Streaming", "StrictJSON", "CScoring", "CZlib"]),

    .executableTarget(
      name: "paddock",
      dependencies: [
        "Gateway", "Evaluation", "Documents", "Classifier", "Conversations", "EventLoops", "Guard", "HTTPServing",
        "HTTPWire", "ModelBackends", "Moments", "Policies", "Screening", "Streaming", "StrictJSON", "Telemetry",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: swiftSettings),

    tests("StrictJSON"),
    tests("Conversations", ["StrictJSON"]),
    tests("HTTPWire"),
    tests("ChatContracts", ["Conversations", "HTTPWire", "StrictJSON"]),
    tests("Streaming", ["Moments"]),
    tests("Documents"),
    tests("Policies", ["Conversations", "StrictJSON", "Documents"]),
    tests("Classifier", ["CEncoder", "CScoring", "StrictJSON"]),
    tests("TextViews", ["Evaluation"]),
    tests("Screening", ["Conversations", "Policies"]),
    tests("Moments"),
    tests("EventLoops", ["CLinux", "Locking", "Moments"]),
    tests("Telemetry", ["StrictJSON", .product(name: "Logging", package: "swift-log")]),
    tests("HTTPServing", ["EventLoops", "HTTPWire", "Locking", "Moments", "CLinux"]),
    tests(
      "ModelBackends", ["EventLoops", "HTTPServing", "HTTPWire", "Locking", "Moments", "StrictJSON", "Telemetry"]),
    tests(
      "Guard",
      [
        "Classifier", "Conversations", "EventLoops", "Locking", "ModelBackends", "Moments", "Policies", "Screening",
        "Telemetry",
      ]),
    tests(
      "Gateway",
      [
        "Conversations", "Guard", "HTTPServing", "HTTPWire", "Moments", "Policies", "Screening", "StrictJSON",
        "Telemetry",
      ]),
    tests("Evaluation", ["Classifier", "Streaming"]),
  ]
)

if Context.environment["BUILD_FUZZER"] != nil {
  // libFuzzer's own main calls it, so it is a library, and only scripts/fuzz asks for it.
  package.products.append(.library(name: "Fuzz", type: .static, targets: ["Fuzz"]))
  package.targets.append(
    .target(
      name: "Fuzz",
      dependencies: [
        "ChatContracts", "Conversations", "Documents", "Gateway", "HTTPServing", "HTTPWire", "Moments", "Policies",
        "Streaming", "StrictJSON", "TextViews",
      ],
      path: "Tests/Fuzz", exclude: ["Corpus"], swiftSettings: swiftSettings))
}
