#include "segment_check.h"

static int is_clamp(int32_t min, int32_t max) { return min <= max && is_byte(min) && is_byte(max); }

/* Whether a checked window is never partly outside of the image. */
static int is_inside(const call* it, const arenafit_window* window) {
  const int32_t bottom =
      (it->y->rows - 1) * window->stride_h + (window->kernel_h - 1) * window->dilation_h;
  const int32_t right =
      (it->y->width - 1) * window->stride_w + (window->kernel_w - 1) * window->dilation_w;
  return window->pad_h == 0 && window->pad_w == 0 && bottom < it->x->rows && right < it->x->width;
}

/* The arrays of a convolution or fully connected layer. */
static status check_conv_data(const call* it, uint64_t weights, int inside) {
  const subject* program = it->program;
  const arenafit_conv* params = it->params;
  const uint32_t channels = it->y->channels;
  const int in_blocks = params->layout == ARENAFIT_LAYOUT_BLOCKS;
  if ((params->layout != ARENAFIT_LAYOUT_PLAIN && !in_blocks) ||
      (in_blocks && params->groups != 1) || !is_between(params->input_offset, -127, 128) ||
      !is_byte(params->output_offset) || !is_clamp(params->clamp_min, params->clamp_max) ||
      !arenafit_is_data(program, params->weights, weights, in_blocks ? 4 : 1) ||
      !arenafit_is_data(program, params->folded, channels * sizeof(int32_t), 4) ||
      (params->bias == 0
           ? !inside
           : !arenafit_is_data(program, params->bias, channels * sizeof(int32_t), 4))) {
    return ARENAFIT_SEGMENT_PARAMETERS;
  }
  if (it->y->type == ARENAFIT_TENSOR_S32) {
    return params->multipliers == 0 && params->shifts == 0 ? ARENAFIT_SEGMENT_OK
                                                           : ARENAFIT_SEGMENT_PARAMETERS;
  }
  if (!arenafit_is_data(program, params->multipliers, channels * sizeof(int32_t), 4) ||
      !arenafit_is_data(program, params->shifts, channels, 1)) {
    return ARENAFIT_SEGMENT_PARAMETERS;
  }
  const int32_t* multipliers = arenafit_at(program->parts.header, params->multipliers);
  const int8_t* shifts = arenafit_at(program->parts.header, params->shifts);
  for (uint32_t i = 0; i < channels; ++i) {
    if (!is_scale(multipliers[i], shifts[i])) {
      return ARENAFIT_SEGMENT_PARAMETERS;
    }
  }
  return ARENAFIT_SEGMENT_OK;
}

static status check_product(const call* it) {
  const arenafit_conv* params = it->params;
  if (it->op->operands == 2) {
    const arenafit_tensor* sums = arenafit_operand(&it->program->parts, it->op, 1);
    if (sums->type != ARENAFIT_TENSOR_S32 || !is_same(sums, it->y)) {
      return ARENAFIT_SEGMENT_SHAPE;
    }
  }
  uint64_t weights = 0;
  const status found = arenafit_check_product(it, &params->window, params->groups, &weights);
  if (found != ARENAFIT_SEGMENT_OK) {
    return found;
  }
  const int is_fully_connected = it->op->kind == ARENAFIT_FULLY_CONNECTED;
  if (is_fully_connected && it->x->rows > 1 && !arenafit_has_accumulator(it)) {
    return ARENAFIT_SEGMENT_PARAMETERS;
  }
  return check_conv_data(it, weights, is_fully_connected || is_inside(it, &params->window));
}

static status check_pool(const call* it) {
  const arenafit_pool* params = it->params;
  const status found = arenafit_check_pool(it, &params->window);
  if (found != ARENAFIT_SEGMENT_OK) {
    return found;
  }
  return is_clamp(params->clamp_min, params->clamp_max) ? ARENAFIT_SEGMENT_OK
                                                        : ARENAFIT_SEGMENT_PARAMETERS;
}

static status check_reduction(const call* it) {
  const arenafit_pool* pool = it->params;
  const arenafit_mean* mean = it->params;
  const status found = arenafit_check_reduction(it);
  if (found != ARENAFIT_SEGMENT_OK) {
    return found;
  }
  const int right = it->op->kind == ARENAFIT_MEAN
                        ? is_scale(mean->multiplier, mean->shift) && is_byte(mean->output_offset)
                        : is_clamp(pool->clamp_min, pool->clamp_max);
  return right ? ARENAFIT_SEGMENT_OK : ARENAFIT_SEGMENT_PARAMETERS;
}

static status check_arithmetic(const call* it) {
  const arenafit_arithmetic* params = it->params;
  if (!arenafit_are_operands_repeated(it)) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  for (uint32_t i = 0; i < 2; ++i) {
    if (!is_between(params->input_offset[i], -127, 128) ||
        !is_scale(params->input_multiplier[i], params->input_shift[i])) {
      return ARENAFIT_SEGMENT_PARAMETERS;
    }
  }
  return is_between(params->left_shift, 0, 22) && is_scale(params->multiplier, params->shift) &&
                 is_byte(params->output_offset) && is_clamp(params->clamp_min, params->clamp_max)
             ? ARENAFIT_SEGMENT_OK
             : ARENAFIT_SEGMENT_PARAMETERS;
}

static status check_table(const call* it) {
  return is_same(it->x, it->y) ? ARENAFIT_SEGMENT_OK : ARENAFIT_SEGMENT_SHAPE;
}

static status check_softmax(const call* it) {
  const arenafit_softmax* params = it->params;
  if (!is_same(it->x, it->y) || it->y->channels >= 1 << 12) { /* or else their sum overflows */
    return ARENAFIT_SEGMENT_SHAPE;
  }
  return is_scale(params->multiplier, params->left_shift) && params->left_shift >= 0
             ? ARENAFIT_SEGMENT_OK
             : ARENAFIT_SEGMENT_PARAMETERS;
}

const kind* arenafit_kind_of_s8(uint32_t id) {
  static const common_kinds kCommon = {
      .conv = {1, 2, sizeof(arenafit_conv), check_product},
      .depthwise = {1, 1, sizeof(arenafit_conv), check_product},
      .fully_connected = {1, 1, sizeof(arenafit_conv), check_product},
      .pool = {1, 1, sizeof(arenafit_pool), check_pool},
      .global_pool = {1, 1, sizeof(arenafit_pool), check_reduction},
      .mean = {1, 1, sizeof(arenafit_mean), check_reduction},
      .arithmetic = {2, 2, sizeof(arenafit_arithmetic), check_arithmetic},
  };
  static const kind kTable = {1, 1, 256, check_table};
  static const kind kSoftmax = {1, 1, sizeof(arenafit_softmax), check_softmax};
  switch (id) {
    case ARENAFIT_TABLE:
      return &kTable;
    case ARENAFIT_SOFTMAX:
      return &kSoftmax;
    default:
      return arenafit_common_kind(&kCommon, id);
  }
}
