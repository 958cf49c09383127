import Documents
import Gateway

/// Contracts of other gateways that are answered too.
extension ConfigurationDecoder {
  func readAdapters(_ value: DocumentValue?, _ configuration: inout Configuration) {
    for (name, value) in value?.mapping?.entries ?? [] {
      guard let contract = AdapterSettings.Contract(rawValue: name) else {
        let names = AdapterSettings.Contract.allCases.map(\.rawValue)
        value.fail("there is no adapter of this name\(Suggestion.text(for: name, among: names))")
        continue
      }
      // Without settings it is answered as it stands.
      guard !value.isNull else {
        configuration.adapters.append(.init(settings: AdapterSettings(contract), value: value))
        continue
      }
      guard let mapping = value.mapping else { continue }
      var settings = AdapterSettings(
        contract, prefix: mapping["prefix"].flatMap { prefix($0, contract) }, policy: mapping["policy"]?.string,
        judge: mapping["judge"]?.string)
      if contract == .forwardAuth {
        settings.allowsWithoutBody = mapping["allow_without_body"]?.bool ?? settings.allowsWithoutBody
      }
      mapping.finish()
      configuration.adapters.append(.init(settings: settings, value: value))
    }
    configuration.gateway.adapters = configuration.adapters.map(\.settings)
  }

  /// Segments of letters, digits and `-._~`: what has one spelling in a request.
  private func prefix(_ value: DocumentValue, _ contract: AdapterSettings.Contract) -> String? {
    guard let text = value.string else { return nil }
    if text.isEmpty, contract != .forwardAuth { return text }
    let segments = text.split(separator: "/", omittingEmptySubsequences: false)
    let isPath =
      segments.count > 1 && segments[0].isEmpty
      && segments.dropFirst().allSatisfy { segment in
        !segment.isEmpty
          && segment.utf8.allSatisfy { ($0 | 0x20) &- 0x61 < 26 || $0 &- 0x30 < 10 || "-._~".utf8.contains($0) }
      }
    guard isPath else {
      value.fail("must be a path as /guard, of letters, digits and -._~, without a slash at its end")
      return nil
    }
    return text
  }
}
