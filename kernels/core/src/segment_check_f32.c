#include "segment_check.h"

#ifndef ARENAFIT_NO_F32

/* Not so of what is no number. */
static int is_range(float min, float max) { return min <= max; }

static status check_data(const call* it, const arenafit_conv_f32* params, uint64_t weights) {
  const uint64_t channels = it->y->channels;
  const int has_data = arenafit_is_data(it->program, params->weights, weights * sizeof(float), 4) &&
                       (params->bias == 0 ||
                        arenafit_is_data(it->program, params->bias, channels * sizeof(float), 4));
  return has_data && params->reserved == 0 && is_range(params->clamp_min, params->clamp_max)
             ? ARENAFIT_SEGMENT_OK
             : ARENAFIT_SEGMENT_PARAMETERS;
}

static status check_conv_2d(const call* it) {
  const arenafit_conv_f32* params = it->params;
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
  const arenafit_conv_f32* params = it->params;
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
  const arenafit_conv_f32* params = it->params;
  if (params->groups != 1 || !is_pixel(it->y, it->y->channels)) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  if (it->x->rows > 1 && !arenafit_has_accumulator(it)) {
    return ARENAFIT_SEGMENT_PARAMETERS;
  }
  return check_data(it, params, elements(it->x) * it->y->channels);
}

static status check_pool(const call* it) {
  const arenafit_pool_f32* params = it->params;
  if (it->x->channels != it->y->channels) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  return arenafit_is_window(it, &params->window) && params->window.dilation_h == 1 &&
                 params->window.dilation_w == 1 && is_range(params->clamp_min, params->clamp_max)
             ? ARENAFIT_SEGMENT_OK
             : ARENAFIT_SEGMENT_PARAMETERS;
}

static status check_reduction(const call* it) {
  const arenafit_pool_f32* params = it->params;
  if (!is_pixel(it->y, it->x->channels)) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  return (uint64_t)it->x->rows * it->x->width <= ARENAFIT_MAX_REDUCED &&
                 is_range(params->clamp_min, params->clamp_max) && arenafit_has_accumulator(it)
             ? ARENAFIT_SEGMENT_OK
             : ARENAFIT_SEGMENT_PARAMETERS;
}

static status check_arithmetic(const call* it) {
  const arenafit_range_f32* params = it->params;
  if (!arenafit_are_operands_repeated(it)) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  return is_range(params->min, params->max) ? ARENAFIT_SEGMENT_OK : ARENAFIT_SEGMENT_PARAMETERS;
}

static status check_clamp(const call* it) {
  const arenafit_range_f32* params = it->params;
  if (!is_same(it->x, it->y)) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  return is_range(params->min, params->max) ? ARENAFIT_SEGMENT_OK : ARENAFIT_SEGMENT_PARAMETERS;
}

static status check_leaky_relu(const call* it) {
  return is_same(it->x, it->y) ? ARENAFIT_SEGMENT_OK : ARENAFIT_SEGMENT_SHAPE;
}

const kind* arenafit_kind_of_f32(uint32_t id) {
  static const kind kConv = {1, 1, sizeof(arenafit_conv_f32), check_conv_2d};
  static const kind kDepthwise = {1, 1, sizeof(arenafit_conv_f32), check_depthwise_conv_2d};
  static const kind kFullyConnected = {1, 1, sizeof(arenafit_conv_f32), check_fully_connected};
  static const kind kPool = {1, 1, sizeof(arenafit_pool_f32), check_pool};
  static const kind kGlobalPool = {1, 1, sizeof(arenafit_pool_f32), check_reduction};
  static const kind kArithmetic = {2, 2, sizeof(arenafit_range_f32), check_arithmetic};
  static const kind kClamp = {1, 1, sizeof(arenafit_range_f32), check_clamp};
  static const kind kLeakyRelu = {1, 1, sizeof(arenafit_leaky_relu_f32), check_leaky_relu};
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
    case ARENAFIT_ADD:
    case ARENAFIT_SUB:
    case ARENAFIT_MUL:
      return &kArithmetic;
    case ARENAFIT_CLAMP:
      return &kClamp;
    case ARENAFIT_LEAKY_RELU:
      return &kLeakyRelu;
    default:
      return NULL;
  }
}

#endif /* ARENAFIT_NO_F32 */
