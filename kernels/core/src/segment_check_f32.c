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

static status check_product(const call* it) {
  const arenafit_conv_f32* params = it->params;
  uint64_t weights = 0;
  const status found = arenafit_check_product(it, &params->window, params->groups, &weights);
  if (found != ARENAFIT_SEGMENT_OK) {
    return found;
  }
  const int is_fully_connected = it->op->kind == ARENAFIT_FULLY_CONNECTED;
  if (is_fully_connected && it->x->rows > 1 && !arenafit_has_accumulator(it)) {
    return ARENAFIT_SEGMENT_PARAMETERS;
  }
  return check_data(it, params, weights);
}

static status check_pool(const call* it) {
  const arenafit_pool_f32* params = it->params;
  const status found = arenafit_check_pool(it, &params->window);
  if (found != ARENAFIT_SEGMENT_OK) {
    return found;
  }
  return is_range(params->clamp_min, params->clamp_max) ? ARENAFIT_SEGMENT_OK
                                                        : ARENAFIT_SEGMENT_PARAMETERS;
}

static status check_reduction(const call* it) {
  const arenafit_pool_f32* params = it->params;
  const status found = arenafit_check_reduction(it);
  if (found != ARENAFIT_SEGMENT_OK) {
    return found;
  }
  return is_range(params->clamp_min, params->clamp_max) ? ARENAFIT_SEGMENT_OK
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
  static const common_kinds kCommon = {
      .conv = {1, 1, sizeof(arenafit_conv_f32), check_product},
      .depthwise = {1, 1, sizeof(arenafit_conv_f32), check_product},
      .fully_connected = {1, 1, sizeof(arenafit_conv_f32), check_product},
      .pool = {1, 1, sizeof(arenafit_pool_f32), check_pool},
      .global_pool = {1, 1, sizeof(arenafit_pool_f32), check_reduction},
      .arithmetic = {2, 2, sizeof(arenafit_range_f32), check_arithmetic},
  };
  static const kind kClamp = {1, 1, sizeof(arenafit_range_f32), check_clamp};
  static const kind kLeakyRelu = {1, 1, sizeof(arenafit_leaky_relu_f32), check_leaky_relu};
  switch (id) {
    case ARENAFIT_CLAMP:
      return &kClamp;
    case ARENAFIT_LEAKY_RELU:
      return &kLeakyRelu;
    default:
      return arenafit_common_kind(&kCommon, id);
  }
}

#endif /* ARENAFIT_NO_F32 */
