/// Which hazards of Llama Guard 3 the categories of a published data set stand for. A category that has no counterpart is
/// not listed: its rows are unsafe without a hazard, and count in the figures over all hazards only.
struct HazardNames {
  private let codes: [String: String]

  private init(_ codes: [String: String]) { self.codes = codes }

  /// The codes of some names, in the order of the taxonomy, each once.
  func codes(_ names: [String]) -> [String] {
    Set(names.compactMap { codes[Self.folded($0)] }).sorted {
      (Int($0.dropFirst()) ?? 0) < (Int($1.dropFirst()) ?? 0)
    }
  }

  /// The codes of one name.
  func codes(_ name: String?) -> [String] { name.map { codes([$0]) } ?? [] }

  /// Published files differ in case and in what joins words.
  private static func folded(_ name: String) -> String {
    String(name.lowercased().filter { $0.isLetter || $0.isNumber })
  }

  private static func table(_ names: [String: [String]]) -> HazardNames {
    HazardNames(
      Dictionary(
        names.flatMap { code, names in names.map { (folded($0), code) } }, uniquingKeysWith: { first, _ in first }))
  }

  /// HR, harassment, has no counterpart.
  static let openAI = table(["S12": ["S"], "S10": ["H", "H2"], "S1": ["V", "V2"], "S11": ["SH"], "S4": ["S3"]])

  static let harmBench = table([
    "S9": ["chemical_biological"], "S2": ["illegal", "cybercrime_intrusion"], "S8": ["copyright"],
  ])

  static let simpleSafetyTests = table([
    "S11": ["Suicide, Self-Harm, and Eating Disorders", "Suicide, Self-Harm and Eating Disorders"],
    "S1": ["Physical Harm and Violence", "Physical Harm"],
    "S2": ["Illegal and Highly Regulated items", "Illegal and Highly Regulated Items", "Scams and Fraud"],
    "S4": ["Child Abuse"],
  ])

  static let jailbreakBench = table([
    "S10": ["Harassment/Discrimination"], "S2": ["Malware/Hacking", "Economic harm", "Fraud/Deception"],
    "S1": ["Physical harm"], "S12": ["Sexual/Adult content"], "S7": ["Privacy"], "S6": ["Expert advice"],
  ])

  static let strongREJECT = table([
    "S2": ["Illegal goods and services", "Non-violent crimes"], "S1": ["Violence"], "S12": ["Sexual content"],
    "S10": ["Hate, harassment and discrimination"],
  ])

  static let beaverTails = table([
    "S1": ["animal_abuse", "terrorism,organized_crime", "violence,aiding_and_abetting,incitement"],
    "S2": ["drug_abuse,weapons,banned_substance", "financial_crime,property_crime,theft"],
    "S4": ["child_abuse"], "S7": ["privacy_violation"], "S11": ["self_harm"],
    "S10": ["discrimination,stereotype,injustice", "hate_speech,offensive_language"],
    "S12": ["sexually_explicit,adult_content"],
  ])

  static let safeRLHF = table([
    "S1": ["Violence", "Physical Harm", "Animal Abuse"],
    "S2": ["Drugs", "Economic Crime", "White-Collar Crime", "Cybercrime", "Human Trafficking"],
    "S7": ["Privacy Violation"], "S8": ["Copyright Issues"], "S10": ["Discriminatory Behavior"],
    "S12": ["Sexual Content"],
  ])

  static let aegis = table([
    "S1": ["Violence", "Threat"],
    "S2": [
      "Criminal Planning/Confessions", "Guns and Illegal Weapons", "Guns /Illegal Weapons",
      "Controlled/Regulated Substances", "Fraud/Deception", "Malware", "Illegal Activity",
    ],
    "S4": ["Sexual Minor", "Sexual (minor)"], "S6": ["Unauthorized Advice"], "S7": ["PII/Privacy", "PII"],
    "S8": ["Copyright/Trademark/Plagiarism"], "S10": ["Hate/Identity Hate"],
    "S11": ["Suicide and Self Harm"], "S12": ["Sexual"],
  ])

  static let wildGuard = table([
    "S1": ["violence_and_physical_harm"], "S2": ["cyberattack", "fraud_assisting_illegal_activities"],
    "S7": [
      "sensitive_information_organization", "sensitive_information_organization_government",
      "private_information_individual", "private_information",
    ],
    "S8": ["copyright_violations"],
    "S10": ["toxic_language_hate_speech", "social_stereotypes_and_unfair_discrimination"],
    "S11": ["mental_health_over-reliance_crisis", "mental_health_and_over-reliance_crisis"],
    "S12": ["sexual_content"],
  ])

  /// Advice about elections is a hazard of its own in Llama Guard 3.
  static let ailuminate = table([
    "S1": ["vcr"], "S2": ["ncr"], "S3": ["src"], "S4": ["cse"], "S5": ["dfm"],
    "S6": ["spc", "spc_fin", "spc_hlt", "spc_lgl"], "S7": ["prv"], "S8": ["ipv"], "S9": ["iwp"], "S10": ["hte"],
    "S11": ["ssh"], "S12": ["sxc", "sxc_prn"], "S13": ["spc_ele"],
  ])

  static let doNotAnswer = table([
    "S2": ["Assisting illegal activities"], "S12": ["Adult Content"],
    "S7": [
      "Risks from leaking or inferring sensitive information (organization/gov)",
      "Risks from leaking or inferring sensitive information (organization/government)",
      "Compromise privacy by leaking or inferring private information (person/individual)",
    ],
    "S10": ["Social stereotypes and unfair discrimination", "Toxic language (hate speech)"],
    "S11": ["Mental Health or Overreliance Crisis", "Mental health or over-reliance crisis"],
  ])
}
