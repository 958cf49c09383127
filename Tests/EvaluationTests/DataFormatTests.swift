import Conversations
import Testing

@testable import Evaluation

/// Small files in the layouts in which well-known sets are published, with harmless texts.
@Suite struct DataFormatTests {
  private func read(_ text: String, _ name: String = "data.csv", _ format: DataFormat? = nil) throws -> [EvaluationRow]
  {
    try withFile(text, named: name) { try DatasetReader.evaluationRows(of: [$0], format: format) }
  }

  private func said(_ rows: [EvaluationRow]) -> [String] {
    rows.map { row in
      let texts = row.conversation.messages.map { "\($0.role.rawValue): \($0.parts.map(\.text).joined())" }
      return texts.joined(separator: " | ") + " -> " + (row.isUnsafe ? "unsafe" : "safe")
        + (row.categories.isEmpty ? "" : " " + row.categories.joined(separator: ","))
    }
  }

  @Test("Each published layout is known by its columns, and its labels and hazards are read")
  func layouts() throws {
    for (name, text, rows) in Self.samples { #expect(said(try read(text, name)) == rows, "\(name)") }
  }

  private static let samples: [(name: String, text: String, rows: [String])] = [
    (
      "openai.jsonl",
      #"{"prompt":"a","S":0,"H":0,"V":0,"HR":0,"SH":0,"S3":0,"H2":0,"V2":0}"# + "\n"
        + #"{"prompt":"b","H":1,"V2":1}"# + "\n" + #"{"prompt":"c","HR":1}"# + "\n",
      ["user: a -> safe", "user: b -> unsafe S1,S10", "user: c -> unsafe"]
    ),
    (
      "toxicchat.csv",
      "conv_id,user_input,model_output,human_annotation,toxicity,jailbreaking,openai_moderation\n"
        + "x1,a,b,True,1,0,\"[['S', 0.1]]\"\nx2,c,d,False,0,1,[]\n",
      ["user: a -> unsafe", "user: c -> safe"]
    ),
    (
      "xstest.csv", "id,prompt,type,label,focus,note\n1,a,homonyms,safe,,\n2,b,contrast_homonyms,unsafe,,\n",
      ["user: a -> safe", "user: b -> unsafe"]
    ),
    (
      "xstest_v2_prompts.csv", "id,type,prompt,focus\nv2-1,homonyms,a,\nv2-2,contrast_homonyms,b,\n",
      ["user: a -> safe", "user: b -> unsafe"]
    ),
    (
      "xstest_response.jsonl",
      #"{"prompt":"a","response":"b","label":"harmful","prompt_type":"prompt_harmful"}"# + "\n"
        + #"{"prompt":"c","response":"d","label":"unharmful","prompt_type":"prompt_safe"}"# + "\n",
      ["user: a | assistant: b -> unsafe", "user: c | assistant: d -> safe"]
    ),
    (
      "text_behaviors_val_set.json",
      #"{"x": [{"test_case": "a", "generation": "b", "human_0": 1, "human_1": 0, "human_2": 1}, "#
        + #"{"test_case": "c", "generation": "d", "human_0": 0, "human_1": 0, "human_2": 1}]}"#,
      ["user: a | assistant: b -> unsafe", "user: c | assistant: d -> safe"]
    ),
    (
      "harmbench_behaviors_text_all.csv",
      "Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID\n"
        + "a,standard,cybercrime_intrusion,,,x\nb,contextual,copyright,,c,y\nd,standard,harmful,,,z\n",
      ["user: a -> unsafe S2", "user: c\n\n---\n\nb -> unsafe S8", "user: d -> unsafe"]
    ),
    (
      "completions.json",
      "{\n \"x\": [\n  {\"test_case\": \"a\", \"generation\": \"b\", \"label\": 1}\n ],\n"
        + " \"y\": [ {\"test_case\": \"c\", \"generation\": \"d\", \"label\": 0} ]\n}\n",
      ["user: a | assistant: b -> unsafe", "user: c | assistant: d -> safe"]
    ),
    (
      "simplesafetytests.csv", "id,harm_area,category,prompt\n1,Scams and Fraud,Question,a\n2,Child Abuse,Request,b\n",
      ["user: a -> unsafe S2", "user: b -> unsafe S4"]
    ),
    (
      "harmful-behaviors.csv", "Index,Goal,Target,Behavior,Category,Source\n0,a,b,c,Privacy,d\n",
      ["user: a -> unsafe S7"]
    ),
    (
      "benign-behaviors.csv", "Index,Goal,Target,Behavior,Category,Source\n0,a,b,c,Privacy,d\n", ["user: a -> safe"]
    ),
    (
      "strongreject_dataset.csv", "category,source,forbidden_prompt\nViolence,x,a\nDisinformation and deception,x,b\n",
      ["user: a -> unsafe S1", "user: b -> unsafe"]
    ),
    (
      "beavertails.jsonl",
      #"{"prompt":"a","response":"b","category":{"self_harm":true,"violence,aiding_and_abetting,incitement":true,"# + ""
        + #""child_abuse":false},"is_safe":false}"# + "\n"
        + #"{"prompt":"a","response":"c","category":{},"is_safe":true}"#,
      ["user: a | assistant: b -> unsafe S1,S11", "user: a | assistant: c -> safe"]
    ),
    (
      "saferlhf.jsonl",
      #"{"prompt":"a","response_0":"b","response_1":"c","is_response_0_safe":false,"is_response_1_safe":true,"# + ""
        + #""response_0_harm_category":{"Cybercrime":true}}"#,
      ["user: a | assistant: b -> unsafe S2", "user: a | assistant: c -> safe"]
    ),
    (
      "aegis1.csv",
      "num_annotations,id,text,text_type,labels_0,labels_1,labels_2,labels_3,labels_4\n"
        + "3,1,a,user_message,Safe,Violence,\"Violence, PII/Privacy\",,\n3,2,b,llm_response,Safe,Safe,Violence,,\n"
        + "2,3,c,user_message,Needs Caution,Safe,,,\n",
      ["user: a -> unsafe S1,S7", "assistant: b -> safe", "user: c -> unsafe"]
    ),
    (
      "aegis2.json",
      #"[{"id":"1","prompt":"a","response":"b","prompt_label":"unsafe","response_label":"safe","# + ""
        + #""violated_categories":"Fraud/Deception, Other"},"# + "\n"
        + #"{"id":"2","prompt":"REDACTED","response":null,"prompt_label":"unsafe","response_label":null},"# + "\n"
        + #"{"id":"3","prompt":"c","response":null,"prompt_label":"safe","response_label":null}]"#,
      ["user: a -> unsafe S2", "user: a | assistant: b -> safe", "user: c -> safe"]
    ),
    (
      "wildguardtest.csv",
      "prompt,adversarial,response,prompt_harm_label,response_refusal_label,response_harm_label,subcategory\n"
        + "a,True,b,harmful,compliance,harmful,cyberattack\nc,False,d,unharmful,refusal,,benign\n",
      ["user: a -> unsafe S2", "user: a | assistant: b -> unsafe S2", "user: c -> safe"]
    ),
    (
      "ailuminate.csv",
      "release_prompt_id,prompt_text,hazard,persona,locale,prompt_hash\n1,a,vcr,skilled,en_US,x\n2,b,spc_ele,normal,en_US,y\n",
      ["user: a -> unsafe S1", "user: b -> unsafe S13"]
    ),
    (
      "do_not_answer.csv",
      "id,risk_area,types_of_harm,specific_harms,question\n0,Malicious Uses,Assisting illegal activities,x,a\n"
        + "1,Misinformation Harms,Disseminating false or misleading information,x,b\n",
      ["user: a -> unsafe S2", "user: b -> unsafe"]
    ),
    (
      "hatecheck.csv", ",functionality,case_id,test_case,label_gold\n0,x,1,a,hateful\n1,x,2,b,non-hateful\n",
      ["user: a -> unsafe S10", "user: b -> safe"]
    ),
  ]

  @Test("Every layout but Paddock's own has a sample above")
  func complete() throws {
    var found: Set<DataFormat> = []
    for (name, text, _) in Self.samples {
      found.formUnion(DataFormat.allCases.filter { (try? read(text, name, $0)) != nil })
    }
    #expect(found.union([.paddock]) == Set(DataFormat.allCases))
  }

  @Test("Quoted fields hold commas, quotes and line breaks, and lines may end in CR LF; a byte order mark is no column")
  func quotes() throws {
    let rows = try read("\u{FEFF}prompt,type,label\r\n\"a, \"\"b\"\"\r\n\r\nc\",t,safe\r\n\r\nd,t,unsafe\r\n")
    #expect(said(rows) == ["user: a, \"b\"\n\nc -> safe", "user: d -> unsafe"])
    #expect(rows.map(\.id) == ["line 2", "line 6"] && rows.map(\.set) == ["data", "data"])
  }

  @Test(
    "What is wrong is told with file, line and what was expected",
    arguments: [
      ("a.csv", "prompt,type,label\nx,t,safe\ny,t\n", nil, "a.csv:3: 2 fields where the header names 3"),
      ("a.csv", "prompt,type,label\nx,t,safe\ny,t,odd\n", nil, "a.csv:3: label: must be safe or unsafe"),
      ("a.csv", "prompt,type,label\n\"x,t,safe\ny\n", nil, "a.csv:2: the file ends inside quotes"),
      ("a.csv", "prompt,type,label\nx\"y\",t,safe\n", nil, "a.csv:2: a quote inside a field that is not quoted"),
      ("a.csv", "prompt,type,label\n\"x\"y,t,safe\n", nil, "a.csv:2: behind a closing quote"),
      ("a.csv", "one,two\n1,2\n", nil, "a.csv:2: no known layout has the columns one, two"),
      ("a.csv", "prompt,type\na,b\n", DataFormat.hateCheck, "a.csv:2: functionality, test_case, label_gold is missing"),
      ("a.csv", "Goal,Behavior,Category\na,b,c\n", nil, "must hold either harmful or benign"),
      (
        "a.json", "[\n{\"prompt\":\"a\",\"response\":\"b\",\"is_safe\":true},\n\n{\"prompt\":\"a\"}]", nil,
        "a.json:4: response, is_safe is missing"
      ),
      ("a.json", "[{\"prompt\":\"a\"}", nil, "a.json:1: the array that begins here does not close"),
      ("a.jsonl", "{\"prompt\":\"a\",\"response\":\"b\",\"is_safe\":true}\n{\"prompt\"\n", nil, "a.jsonl:2: "),
      (
        "a.jsonl", "{\"prompt\":\"a\",\"response\":\"b\",\"is_safe\":\"perhaps\"}\n", nil,
        "a.jsonl:1: is_safe: must be true or false, 1 or 0"
      ),
    ] as [(String, String, DataFormat?, String)])
  func errors(name: String, text: String, format: DataFormat?, expected: String) throws {
    let error = #expect(throws: DataError.self) { try read(text, name, format) }
    #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
  }

  @Test("The same row has the same key; another text, id or set has another")
  func keys() throws {
    let row = EvaluationRow(id: "1", set: "s", conversation: Conversation(prompt: "a"), isUnsafe: true)
    var relabelled = row
    relabelled.isUnsafe = false
    #expect(row.key == relabelled.key && row.key.utf8.count == 16)
    let others = [
      EvaluationRow(id: "2", set: "s", conversation: row.conversation, isUnsafe: true),
      EvaluationRow(id: "1", set: "t", conversation: row.conversation, isUnsafe: true),
      EvaluationRow(id: "1", set: "s", conversation: Conversation(prompt: "b"), isUnsafe: true),
      EvaluationRow(id: "1", set: "s", conversation: Conversation(prompt: nil, reply: "a"), isUnsafe: true),
    ]
    #expect(Set(others.map(\.key) + [row.key]).count == 5)
  }
}
