// The forward pass. Included once for each path, see CEncoder.c.

/// `count` quantised rows through a linear layer; `to` has `stride` numbers a row.
INLINE void FN(linear)(
    const cencoder_linear *layer, const struct block *block, size_t count, int is_gelu, float *to, size_t stride) {
  int32_t sums[12 * 16] __attribute__((aligned(64)));
  for (size_t output = 0; output < layer->outputs; output += 16) {
    const int8_t *panel = layer->weights + output * layer->inputs;
    for (size_t row = 0; row < count;) {
      int rows = FN(step)(count - row);
      FN(tile)(rows, block->bytes + row * layer->inputs, panel, layer->inputs, sums);
      for (int r = 0; r < rows; r++, row++) {
        for (int half = 0; half < 16; half += 8) {
          ints columns = *(const loose_ints *)(layer->sums + output + half);
          ints sum = *(const loose_ints *)(sums + r * 16 + half) - columns * block->zeros[row];
          lanes scale = FN(load)(layer->scales + output + half) * block->scales[row];
          lanes y = __builtin_convertvector(sum, lanes) * scale + FN(load)(layer->bias + output + half);
          FN(store)(to + row * stride + output + half, is_gelu ? FN(gelu)(y) : y);
        }
      }
    }
  }
}

static void FN(linear_plain)(
    const cencoder_linear *layer, const struct block *block, size_t count, float *to, size_t stride) {
  FN(linear)(layer, block, count, 0, to, stride);
}

static void FN(linear_gelu)(
    const cencoder_linear *layer, const struct block *block, size_t count, float *to, size_t stride) {
  FN(linear)(layer, block, count, 1, to, stride);
}

static void FN(quantise_rows)(const float *from, size_t stride, size_t width, size_t count, struct block *block) {
  for (size_t row = 0; row < count; row++)
    FN(quantise)(from + row * stride, width, block->bytes + row * width, block->scales + row, block->zeros + row);
}

/// Four rows of scores of one head: queries by keys, 16 keys at a time.
static void FN(scores)(const float *const *queries, const float *keys, size_t padded, float *scores) {
  for (size_t j = 0; j < padded; j += 16) {
    lanes sum[4][2] = {{{0}}};
    for (int d = 0; d < 32; d++) {
      lanes left = FN(load)(keys + (size_t)d * padded + j), right = FN(load)(keys + (size_t)d * padded + j + 8);
#pragma unroll
      for (int r = 0; r < 4; r++) {
        lanes query = FN(fill)(queries[r][d]);
        sum[r][0] += query * left;
        sum[r][1] += query * right;
      }
    }
    for (int r = 0; r < 4; r++) {
      FN(store)(scores + (size_t)r * padded + j, sum[r][0]);
      FN(store)(scores + (size_t)r * padded + j + 8, sum[r][1]);
    }
  }
}

/// Scores become weights, not yet divided by their sum; returns 1 / sum.
static float FN(soften)(float *scores, size_t count, size_t padded) {
  const float scale = 0.17677669529663688f;  // 1 / sqrt(32)
  for (size_t j = count; j < padded; j++) scores[j] = -1e30f;
  lanes largest = FN(fill)(-1e30f), sum = {0};
  for (size_t j = 0; j < padded; j += 8) largest = FN(larger)(largest, FN(load)(scores + j));
  float top = FN(largest_of)(largest);
  for (size_t j = 0; j < padded; j += 8) {
    lanes weight = FN(exponential)((FN(load)(scores + j) - top) * scale);
    FN(store)(scores + j, weight);
    sum += weight;
  }
  return 1.0f / FN(sum_of)(sum);
}

/// Two rows of weights by the values of one head.
static void FN(mix)(
    const float *weights, size_t padded, const float *values, size_t count, const float *factors, float *const *to) {
  lanes sum[2][4] = {{{0}}};
  for (size_t j = 0; j < count; j++) {
#pragma unroll
    for (int part = 0; part < 4; part++) {
      lanes value = FN(load)(values + j * 32 + (size_t)part * 8);
      sum[0][part] += value * weights[j];
      sum[1][part] += value * weights[padded + j];
    }
  }
  for (int r = 0; r < 2; r++)
    for (int part = 0; part < 4; part++) FN(store)(to[r] + part * 8, sum[r][part] * factors[r]);
}

/// One head of one sequence; the result takes the place of the queries.
static void FN(attend)(float *qkv, size_t hidden, size_t count, struct attention *work) {
  size_t stride = 3 * hidden, padded = (count + 15) / 16 * 16;
  for (size_t token = 0; token < count; token++) {
    const float *row = qkv + token * stride;
    for (size_t d = 0; d < 32; d++) work->keys[d * padded + token] = row[hidden + d];
    memcpy(work->values + token * 32, row + 2 * hidden, 32 * sizeof(float));
  }
  for (size_t d = 0; d < 32; d++)
    for (size_t token = count; token < padded; token++) work->keys[d * padded + token] = 0;
  for (size_t token = 0; token < count; token += 4) {
    float *rows[4], spare[32], factors[4];
    for (size_t r = 0; r < 4; r++) rows[r] = token + r < count ? qkv + (token + r) * stride : qkv + token * stride;
    FN(scores)((const float *const *)rows, work->keys, padded, work->scores);
    for (size_t r = 0; r < 4; r++) {
      factors[r] = FN(soften)(work->scores + r * padded, count, padded);
      if (token + r >= count) rows[r] = spare;
    }
    FN(mix)(work->scores, padded, work->values, count, factors, rows);
    if (token + 2 < count) FN(mix)(work->scores + 2 * padded, padded, work->values, count, factors + 2, rows + 2);
  }
}

static void FN(embed)(
    const cencoder_model *model, const uint32_t *ids, const uint8_t *types, size_t count, float *x) {
  for (size_t token = 0; token < count; token++, x += model->hidden) {
    const int8_t *word = model->words.rows + ids[token] * model->hidden;
    const int8_t *position = model->positions.rows + token * model->hidden;
    const float *type = model->types + types[token] * model->hidden;
    float scale = model->words.scales[ids[token]], other = model->positions.scales[token];
    for (size_t i = 0; i < model->hidden; i += 8) {
      lanes sum = FN(bytes)(word + i) * scale + FN(bytes)(position + i) * other;
      FN(store)(x + i, sum + FN(load)(type + i));
    }
    FN(normalise)(x, NULL, model->hidden, &model->norm);
  }
}

/// Everything after attention for one block of rows.
static void FN(feed)(
    const cencoder_model *model, const cencoder_layer *layer, float *x, const float *attended, size_t count,
    struct block *block) {
  size_t hidden = model->hidden, inner = model->inner;
  FN(quantise_rows)(attended, 3 * hidden, hidden, count, block);
  FN(linear_plain)(&layer->out, block, count, block->narrow, hidden);
  for (size_t row = 0; row < count; row++)
    FN(normalise)(x + row * hidden, block->narrow + row * hidden, hidden, &layer->norm1);
  FN(quantise_rows)(x, hidden, hidden, count, block);
  FN(linear_gelu)(&layer->up, block, count, block->wide, inner);
  FN(quantise_rows)(block->wide, inner, inner, count, block);
  FN(linear_plain)(&layer->down, block, count, block->narrow, hidden);
  for (size_t row = 0; row < count; row++)
    FN(normalise)(x + row * hidden, block->narrow + row * hidden, hidden, &layer->norm2);
}

/// Mean and maximum of all tokens, side by side.
static void FN(pool)(const float *x, size_t hidden, size_t count, float *pooled) {
  for (size_t i = 0; i < hidden; i += 8) {
    lanes sum = {0}, top = FN(load)(x + i);
    for (size_t token = 0; token < count; token++) {
      lanes value = FN(load)(x + token * hidden + i);
      sum += value;
      top = FN(larger)(top, value);
    }
    FN(store)(pooled + i, sum / (float)count);
    FN(store)(pooled + hidden + i, top);
  }
}

/// The two layers of a head. They read one row a sequence, so they stay in binary32, where quantising would cost most
/// and save least.
static void FN(judge)(const cencoder_head *head, const float *pooled, float *features, float *logits) {
  for (size_t output = 0; output < head->features; output++) {
    lanes sum = {0};
    const int8_t *row = head->table.rows + output * head->inputs;
    for (size_t i = 0; i < head->inputs; i += 8) sum += FN(bytes)(row + i) * FN(load)(pooled + i);
    features[output] = FN(sum_of)(sum) * head->table.scales[output] + head->bias[output];
  }
  for (size_t i = 0; i < head->features; i += 8) FN(store)(features + i, FN(tangent)(FN(load)(features + i)));
  for (size_t output = 0; output < head->outputs; output++) {
    const float *row = head->last + output * head->features;
    lanes sum = {0};
    for (size_t i = 0; i < head->features; i += 8) sum += FN(load)(row + i) * FN(load)(features + i);
    logits[output] = FN(sum_of)(sum) + head->last_bias[output];
  }
}

static void FN(run)(
    const cencoder_model *model, const uint32_t *ids, const uint8_t *types, const uint32_t *lengths, size_t sequences,
    void *scratch, float *features, float *logits) {
  size_t hidden = model->hidden, tokens = 0;
  for (size_t s = 0; s < sequences; s++) tokens += lengths[s];
  struct space space = divide(model, tokens, scratch);
  for (size_t s = 0, token = 0; s < sequences; token += lengths[s++])
    FN(embed)(model, ids + token, types + token, lengths[s], space.x + token * hidden);
  for (size_t l = 0; l < model->layers; l++) {
    const cencoder_layer *layer = model->layer + l;
    for (size_t row = 0, count; row < tokens; row += count) {
      count = block_rows(tokens, row);
      FN(quantise_rows)(space.x + row * hidden, hidden, hidden, count, &space.block);
      FN(linear_plain)(&layer->qkv, &space.block, count, space.qkv + row * 3 * hidden, 3 * hidden);
    }
    for (size_t s = 0, token = 0; s < sequences; token += lengths[s++])
      for (size_t head = 0; head < model->heads; head++)
        FN(attend)(space.qkv + token * 3 * hidden + head * 32, hidden, lengths[s], &space.attention);
    for (size_t row = 0, count; row < tokens; row += count) {
      count = block_rows(tokens, row);
      FN(feed)(model, layer, space.x + row * hidden, space.qkv + row * 3 * hidden, count, &space.block);
    }
  }
  for (size_t s = 0, token = 0; s < sequences; token += lengths[s++]) {
    FN(pool)(space.x + token * hidden, hidden, lengths[s], space.block.narrow);
    FN(judge)(&model->head, space.block.narrow, features + s * hidden, logits + s * model->head.outputs);
  }
}

static void FN(sums)(
    const uint8_t *rows, size_t count, const int8_t *panels, size_t inputs, size_t outputs, int32_t *to) {
  int32_t sums[12 * 16];
  for (size_t output = 0; output < outputs; output += 16) {
    for (size_t row = 0; row < count;) {
      int step = FN(step)(count - row);
      FN(tile)(step, rows + row * inputs, panels + output * inputs, inputs, sums);
      for (int r = 0; r < step; r++, row++) memcpy(to + row * outputs + output, sums + r * 16, 16 * sizeof *sums);
    }
  }
}
