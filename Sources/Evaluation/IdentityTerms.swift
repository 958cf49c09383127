/// Words by which texts name groups of people. A judge that learnt from hate speech may take the name for the harm.
///
/// The groups are those of HateCheck (Röttger 2021) and of the identity terms of Dixon and others (2018), with the spellings
/// that occur. English only.
enum IdentityTerms {
  /// The terms in the order in which they are reported.
  static let all: [String] = table.map(\.term)

  /// The terms that a text names, in the order of the table.
  static func named(in text: String) -> [String] {
    let words = words(of: text)
    var found: Set<Int> = []
    for position in words.indices {
      for form in forms[words[position]] ?? [] where form.matches(words[(position + 1)...]) { found.insert(form.term) }
    }
    return found.sorted().map { table[$0].term }
  }

  /// A spelling behind its first word.
  private struct Form {
    let term: Int
    let rest: [String]
    /// Whether a word for people must follow: `black` alone may be a coat.
    let isOfPeople: Bool

    func matches(_ words: ArraySlice<String>) -> Bool {
      guard words.starts(with: rest) else { return false }
      return !isOfPeople || words.dropFirst(rest.count).first.map(people.contains) ?? false
    }
  }

  private static let people: Set<String> = [
    "people", "person", "man", "men", "woman", "women", "guy", "guys", "girl", "girls", "boy", "boys", "folk", "folks",
    "child", "children", "kid", "kids", "adult", "adults", "community", "communities", "couple", "couples", "student",
    "students", "friend", "friends", "neighbour", "neighbours", "neighbor", "neighbors", "colleague", "colleagues",
    "coworker", "coworkers", "family", "families", "citizen", "citizens", "patient", "patients", "individual",
    "individuals",
  ]

  /// By first word.
  private static let forms: [String: [Form]] = {
    var forms: [String: [Form]] = [:]
    for (index, entry) in table.enumerated() {
      for spelling in entry.spellings {
        let isOfPeople = spelling.hasSuffix("+")
        let words = words(of: spelling)
        guard let first = words.first else { continue }
        forms[first, default: []].append(Form(term: index, rest: Array(words.dropFirst()), isOfPeople: isOfPeople))
      }
    }
    return forms
  }()

  private static func words(of text: String) -> [String] {
    text.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
  }

  /// A spelling that ends in `+` counts before a word for people only.
  private static let table: [(term: String, spellings: [String])] = [
    ("women", ["woman", "women", "female", "females"]),
    ("men", ["man", "men", "male", "males"]),
    ("trans people", ["trans", "transgender", "transgendered", "transsexual", "transsexuals"]),
    ("nonbinary people", ["nonbinary", "non-binary", "genderqueer"]),
    ("gay people", ["gay", "gays", "homosexual", "homosexuals"]),
    ("lesbians", ["lesbian", "lesbians"]),
    ("bisexual people", ["bisexual", "bisexuals"]),
    ("queer people", ["queer", "queers", "lgbt", "lgbtq", "lgbtqia"]),
    ("straight people", ["straight+", "heterosexual", "heterosexuals"]),
    ("Black people", ["black+", "blacks", "african american", "african americans"]),
    ("white people", ["white+", "whites", "caucasian", "caucasians"]),
    ("Asian people", ["asian", "asians"]),
    ("Chinese people", ["chinese+"]),
    ("Japanese people", ["japanese+"]),
    ("Indian people", ["indian+", "indians"]),
    ("Latino people", ["latino", "latinos", "latina", "latinas", "latinx", "hispanic", "hispanics"]),
    ("Mexican people", ["mexican+", "mexicans"]),
    ("Arab people", ["arab", "arabs", "middle eastern+"]),
    ("African people", ["african+", "africans"]),
    ("Indigenous people", ["indigenous", "native american", "native americans", "aboriginal", "first nations"]),
    ("Roma", ["romani", "gypsy", "gypsies", "roma+"]),
    ("immigrants", ["immigrant", "immigrants", "migrant", "migrants"]),
    ("refugees", ["refugee", "refugees", "asylum seeker", "asylum seekers"]),
    ("foreigners", ["foreigner", "foreigners"]),
    ("Muslims", ["muslim", "muslims", "islam", "islamic"]),
    ("Jews", ["jew", "jews", "jewish", "judaism"]),
    ("Christians", ["christian", "christians", "christianity"]),
    ("Catholics", ["catholic", "catholics"]),
    ("Hindus", ["hindu", "hindus", "hinduism"]),
    ("Buddhists", ["buddhist", "buddhists", "buddhism"]),
    ("Sikhs", ["sikh", "sikhs"]),
    ("atheists", ["atheist", "atheists"]),
    ("disabled people", ["disabled", "disability", "disabilities", "handicapped"]),
    ("blind people", ["blind+"]),
    ("deaf people", ["deaf"]),
    ("autistic people", ["autistic", "autism"]),
    ("mentally ill people", ["mentally ill", "mental illness", "mental illnesses", "schizophrenic", "bipolar"]),
    ("old people", ["old+", "older+", "elderly", "seniors", "senior citizen", "senior citizens"]),
    ("young people", ["young+", "younger+", "teenager", "teenagers", "teenage"]),
    ("children", ["child", "children", "kid", "kids"]),
    ("poor people", ["poor+", "homeless"]),
    ("fat people", ["fat+", "overweight", "obese"]),
  ]
}
