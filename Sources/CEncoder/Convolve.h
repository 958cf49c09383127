// The convolutional network. Included once for each path after Forward.h, see CEncoder.c.

/// x = max(x, 0), and `more` added where there is some.
static void FN(rectify)(float *x, const float *more, size_t count) {
  for (size_t i = 0; i < count; i += 8) {
    lanes value = FN(larger)(FN(load)(x + i), (lanes){0});
    FN(store)(x + i, more ? value + FN(load)(more + i) : value);
  }
}

/// A convolution over rows that lie one after the other, with zeros before the first and after the last: what one place
/// sees is one run of numbers.
static void FN(slide)(
    const cencoder_linear *layer, const float *padded, size_t width, size_t count, struct block *block, float *to) {
  for (size_t row = 0, rows; row < count; row += rows) {
    rows = count - row < most_slide_rows ? count - row : most_slide_rows;
    FN(quantise_rows)(padded + row * width, width, layer->inputs, rows, block);
    FN(linear_plain)(layer, block, rows, to + row * layer->outputs, layer->outputs);
  }
}

static void FN(convolve)(
    const cencoder_convolution *model, const uint32_t *ids, const uint8_t *types, size_t count, void *scratch,
    float *logits) {
  struct slides space = divide_slides(model, count, scratch);
  size_t hidden = model->project.inputs, narrow = model->project.outputs, channels = model->first.outputs;
  size_t before = model->first.inputs / narrow / 2 * narrow, around = model->second.inputs / channels / 2 * channels;
  for (size_t token = 0, tokens; token < count; token += tokens) {
    tokens = count - token < most_slide_rows ? count - token : most_slide_rows;
    for (size_t t = 0; t < tokens; t++) {
      const int8_t *word = model->words.rows + ids[token + t] * hidden;
      float scale = model->words.scales[ids[token + t]];
      for (size_t i = 0; i < hidden; i += 8) FN(store)(space.words + t * hidden + i, FN(bytes)(word + i) * scale);
    }
    FN(quantise_rows)(space.words, hidden, hidden, tokens, &space.block);
    FN(linear_plain)(&model->project, &space.block, tokens, space.x + before + token * narrow, narrow);
  }
  memset(space.x, 0, before * sizeof(float));
  memset(space.x + before + count * narrow, 0, before * sizeof(float));
  for (size_t token = 0; token < count; token++) {
    float *x = space.x + before + token * narrow;
    const float *type = model->types + types[token] * narrow;
    for (size_t i = 0; i < narrow; i += 8) FN(store)(x + i, FN(load)(x + i) + FN(load)(type + i));
  }
  FN(slide)(&model->first, space.x, narrow, count, &space.block, space.y + around);
  FN(rectify)(space.y + around, NULL, count * channels);
  memset(space.y, 0, around * sizeof(float));
  memset(space.y + around + count * channels, 0, around * sizeof(float));
  FN(slide)(&model->second, space.y, channels, count, &space.block, space.z);
  FN(rectify)(space.z, space.y + around, count * channels);
  float pooled[2 * cencoder_most_channels], features[cencoder_most_channels];
  FN(pool)(space.z, channels, count, pooled);
  FN(judge)(&model->head, pooled, features, logits);
}
