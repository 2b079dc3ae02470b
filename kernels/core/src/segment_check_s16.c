#include "segment_check.h"

#ifndef ARENAFIT_NO_S16

static int is_clamp(int32_t min, int32_t max) {
  return min <= max && is_between(min, INT16_MIN, INT16_MAX) &&
         is_between(max, INT16_MIN, INT16_MAX);
}

static status check_data(const call* it, const arenafit_conv_s16* params, uint64_t weights) {
  const subject* program = it->program;
  const uint64_t channels = it->y->channels;
  const uint64_t bias = params->narrow ? sizeof(int32_t) : sizeof(int64_t);
  if (params->narrow > 1 || params->reserved != 0 ||
      !is_clamp(params->clamp_min, params->clamp_max) ||
      !arenafit_is_data(program, params->weights, weights, 1) ||
      (params->bias != 0 && !arenafit_is_data(program, params->bias, channels * bias, 4)) ||
      !arenafit_is_data(program, params->multipliers, channels * sizeof(int32_t), 4) ||
      !arenafit_is_data(program, params->shifts, channels, 1)) {
    return ARENAFIT_SEGMENT_PARAMETERS;
  }
  const int32_t* multipliers = arenafit_at(program->parts.header, params->multipliers);
  const int8_t* shifts = arenafit_at(program->parts.header, params->shifts);
  for (uint32_t i = 0; i < channels; ++i) {
    const int right =
        params->narrow ? is_scale(multipliers[i], shifts[i])
                       : is_between(multipliers[i], 0, INT16_MAX) && is_between(shifts[i], -31, 7);
    if (!right) {
      return ARENAFIT_SEGMENT_PARAMETERS;
    }
  }
  return ARENAFIT_SEGMENT_OK;
}

static status check_conv_2d(const call* it) {
  const arenafit_conv_s16* params = it->params;
  const arenafit_window* window = &params->window;
  const uint32_t groups = params->groups;
  if (groups == 0 || it->x->channels % groups != 0 || it->y->channels % groups != 0) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  if (!arenafit_is_window(it, window)) {
    return ARENAFIT_SEGMENT_PARAMETERS;
  }
  const uint64_t filter =
      (uint64_t)window->kernel_h * window->kernel_w * (it->x->channels / groups);
  return check_data(it, params, filter * it->y->channels);
}

static status check_depthwise_conv_2d(const call* it) {
  const arenafit_conv_s16* params = it->params;
  const arenafit_window* window = &params->window;
  if (params->groups != 1 || it->y->channels % it->x->channels != 0) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  if (!arenafit_is_window(it, window)) {
    return ARENAFIT_SEGMENT_PARAMETERS;
  }
  return check_data(it, params, (uint64_t)window->kernel_h * window->kernel_w * it->y->channels);
}

static status check_fully_connected(const call* it) {
  const arenafit_conv_s16* params = it->params;
  if (params->groups != 1 || !is_pixel(it->y, it->y->channels)) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  const uint64_t sums = it->y->channels * sizeof(int64_t);
  if (it->x->rows > 1 &&
      !arenafit_is_workspace(it->program, it->op->accumulator, sums, sizeof(int64_t))) {
    return ARENAFIT_SEGMENT_PARAMETERS;
  }
  return check_data(it, params, elements(it->x) * it->y->channels);
}

static status check_pool(const call* it) {
  const arenafit_pool* params = it->params;
  if (it->x->channels != it->y->channels) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  return arenafit_is_window(it, &params->window) && params->window.dilation_h == 1 &&
                 params->window.dilation_w == 1 && is_clamp(params->clamp_min, params->clamp_max)
             ? ARENAFIT_SEGMENT_OK
             : ARENAFIT_SEGMENT_PARAMETERS;
}

static status check_reduction(const call* it) {
  const arenafit_pool* pool = it->params;
  const arenafit_mean* mean = it->params;
  if (!is_pixel(it->y, it->x->channels)) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  const int fits = (uint64_t)it->x->rows * it->x->width <= ARENAFIT_MAX_REDUCED;
  const int right = it->op->kind == ARENAFIT_MEAN
                        ? is_scale(mean->multiplier, mean->shift) && mean->output_offset == 0
                        : is_clamp(pool->clamp_min, pool->clamp_max);
  return fits && right && arenafit_has_accumulator(it) ? ARENAFIT_SEGMENT_OK
                                                       : ARENAFIT_SEGMENT_PARAMETERS;
}

static status check_arithmetic(const call* it) {
  const arenafit_arithmetic* params = it->params;
  if (!arenafit_are_operands_repeated(it)) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  for (uint32_t i = 0; i < 2; ++i) {
    if (params->input_offset[i] != 0 ||
        !is_scale(params->input_multiplier[i], params->input_shift[i])) {
      return ARENAFIT_SEGMENT_PARAMETERS;
    }
  }
  return is_between(params->left_shift, 0, 15) && is_scale(params->multiplier, params->shift) &&
                 params->output_offset == 0 && is_clamp(params->clamp_min, params->clamp_max)
             ? ARENAFIT_SEGMENT_OK
             : ARENAFIT_SEGMENT_PARAMETERS;
}

static status check_leaky_relu(const call* it) {
  const arenafit_leaky_relu_s16* params = it->params;
  if (!is_same(it->x, it->y)) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  return is_scale(params->multiplier[0], params->shift[0]) &&
                 is_scale(params->multiplier[1], params->shift[1]) &&
                 is_clamp(params->clamp_min, params->clamp_max)
             ? ARENAFIT_SEGMENT_OK
             : ARENAFIT_SEGMENT_PARAMETERS;
}

const kind* arenafit_kind_of_s16(uint32_t id) {
  static const kind kConv = {1, 1, sizeof(arenafit_conv_s16), check_conv_2d};
  static const kind kDepthwise = {1, 1, sizeof(arenafit_conv_s16), check_depthwise_conv_2d};
  static const kind kFullyConnected = {1, 1, sizeof(arenafit_conv_s16), check_fully_connected};
  static const kind kPool = {1, 1, sizeof(arenafit_pool), check_pool};
  static const kind kGlobalPool = {1, 1, sizeof(arenafit_pool), check_reduction};
  static const kind kMean = {1, 1, sizeof(arenafit_mean), check_reduction};
  static const kind kArithmetic = {2, 2, sizeof(arenafit_arithmetic), check_arithmetic};
  static const kind kLeakyRelu = {1, 1, sizeof(arenafit_leaky_relu_s16), check_leaky_relu};
  switch (id) {
    case ARENAFIT_CONV_2D:
      return &kConv;
    case ARENAFIT_DEPTHWISE_CONV_2D:
      return &kDepthwise;
    case ARENAFIT_FULLY_CONNECTED:
      return &kFullyConnected;
    case ARENAFIT_MAX_POOL_2D:
    case ARENAFIT_AVERAGE_POOL_2D:
      return &kPool;
    case ARENAFIT_GLOBAL_AVERAGE_POOL:
    case ARENAFIT_GLOBAL_MAX_POOL:
      return &kGlobalPool;
    case ARENAFIT_MEAN:
      return &kMean;
    case ARENAFIT_ADD:
    case ARENAFIT_SUB:
    case ARENAFIT_MUL:
      return &kArithmetic;
    case ARENAFIT_LEAKY_RELU:
      return &kLeakyRelu;
    default:
      return NULL;
  }
}

#endif /* ARENAFIT_NO_S16 */
