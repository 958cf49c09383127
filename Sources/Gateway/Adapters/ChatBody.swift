/// What becomes of the fields of a chat completion in contracts that carry one among fields of their own.
enum ChatBody {
  static let fields = FieldTable([
    "messages": .read, "prompt": .read, "input": .read, "instructions": .leaves, "system": .leaves, "suffix": .leaves,
    "tools": .leaves, "functions": .leaves,
    "response_format": .leaves, "text": .leaves, "metadata": .leaves, "stop": .leaves, "prediction": .leaves,
    "audio": .record, "best_of": .record, "echo": .record, "frequency_penalty": .record, "function_call": .record,
    "include": .record, "logit_bias": .record, "logprobs": .record, "max_completion_tokens": .record,
    "max_output_tokens": .record, "max_tokens": .record, "modalities": .record, "model": .record, "n": .record,
    "parallel_tool_calls": .record, "presence_penalty": .record, "prompt_cache_key": .record, "reasoning": .record,
    "reasoning_effort": .record, "safety_identifier": .record, "seed": .record, "service_tier": .record,
    "store": .record, "stream": .record, "stream_options": .record, "temperature": .record, "thinking": .record,
    "tool_choice": .record, "top_k": .record, "top_logprobs": .record, "top_p": .record, "truncation": .record,
    "user": .record, "verbosity": .record,
  ])
}
