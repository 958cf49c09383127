/// Words in the letters of which two make a flag, as they stand or apart: with a space in a pair of letters each, so that
/// what puts letters together reads them on.
enum Flags {
  static func uncover(_ source: SourceText, _ found: inout Found) -> MappedText? {
    var writer = Rewriter(source)
    var position = 0
    while position < source.count {
      guard letter(source, position) != nil else {
        position += 1
        continue
      }
      let run = run(source, at: position)
      position = run.letters[run.letters.count - 1].place + 4
      if run.isText { write(run, &writer) }
    }
    let result = writer.finish()
    if result != nil { found.add(.canonical, readsTheSame: true) }
    return result
  }

  private struct Run {
    /// Every letter, and whether it stands right behind the one before.
    var letters: [(place: Int, letter: UInt8, isJoined: Bool)] = []

    /// How many letters stand together, group by group.
    var groups: [Int] {
      letters.reduce(into: []) { groups, letter in
        if letter.isJoined { groups[groups.count - 1] += 1 } else { groups.append(1) }
      }
    }

    /// Flags are pairs that stand for a region; where one is none, all of them are letters.
    var isText: Bool {
      guard letters.count >= 3 else { return false }
      var isFirst = true
      for (index, letter) in letters.enumerated() {
        if !letter.isJoined { isFirst = true }
        if isFirst {
          guard index + 1 < letters.count, letters[index + 1].isJoined,
            Flags.regions.contains([letter.letter, letters[index + 1].letter])
          else { return true }
        }
        isFirst.toggle()
      }
      // All of them might be flags. Then they are if they say nothing.
      let plain = letters.map(\.letter)
      let words = Segmentation.division(of: plain[...], isDigit: plain.map { _ in false }[...], isEnding: false)
      return words.hasLong && words.known == plain.count && words.gain >= 4
    }
  }

  private static func letter(_ source: SourceText, _ position: Int) -> UInt8? {
    guard position + 3 < source.count, source[position] == 0xF0, source[position + 1] == 0x9F,
      source[position + 2] == 0x87
    else { return nil }
    let last = source[position + 3]
    return last >= 0xA6 && last <= 0xBF ? last - 0xA6 + 0x61 : nil
  }

  /// Letters of flags with no other letters between them.
  private static func run(_ source: SourceText, at start: Int) -> Run {
    var run = Run()
    var (position, isJoined) = (start, false)
    while position < source.count {
      if let letter = letter(source, position) {
        run.letters.append((position, letter, isJoined))
        position += 4
        isJoined = true
      } else if source[position] < 0x80, !Words.isLetter(source[position]) {
        position += 1
        isJoined = false
      } else {
        break
      }
    }
    return run
  }

  private static func write(_ run: Run, _ writer: inout Rewriter) {
    // Two letters in a row show as one flag, which counts as one letter.
    let isApart = run.groups.count > 1 && run.groups.allSatisfy { $0 <= 2 }
    for (index, letter) in run.letters.enumerated() {
      let isSplit = isApart && index + 1 < run.letters.count && run.letters[index + 1].isJoined
      writer.replace(letter.place..<letter.place + 4, with: isSplit ? [letter.letter, 0x20] : [letter.letter])
    }
  }

  private static let regions: Set<[UInt8]> = {
    let codes = """
      ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br bs bt bv bw by bz \
      ca cc cd cf cg ch ci ck cl cm cn co cp cr cu cv cw cx cy cz de dg dj dk dm do dz ea ec ee eg eh er es et eu fi fj \
      fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu ic id ie il im in io iq ir \
      is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm \
      mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt \
      pw py qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st sv sx sy sz ta tc td tf tg th tj tk tl \
      tm tn to tr tt tv tw tz ua ug um un us uy uz va vc ve vg vi vn vu wf ws xk ye yt za zm zw
      """
    return Set(codes.split(separator: " ").map { Array($0.utf8) })
  }()
}
