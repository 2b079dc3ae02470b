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

static status check_product(const call* it) {
  const arenafit_conv_s16* params = it->params;
  uint64_t weights = 0;
  const status found = arenafit_check_product(it, &params->window, params->groups, &weights);
  if (found != ARENAFIT_SEGMENT_OK) {
    return found;
  }
  const uint64_t sums = it->y->channels * sizeof(int64_t);
  if (it->op->kind == ARENAFIT_FULLY_CONNECTED && it->x->rows > 1 &&
      !arenafit_is_workspace(it->program, it->op->accumulator, sums, sizeof(int64_t))) {
    return ARENAFIT_SEGMENT_PARAMETERS;
  }
  return check_data(it, params, weights);
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
                        ? is_scale(mean->multiplier, mean->shift) && mean->output_offset == 0
                        : is_clamp(pool->clamp_min, pool->clamp_max);
  return right ? ARENAFIT_SEGMENT_OK : ARENAFIT_SEGMENT_PARAMETERS;
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
  static const common_kinds kCommon = {
      .conv = {1, 1, sizeof(arenafit_conv_s16), check_product},
      .depthwise = {1, 1, sizeof(arenafit_conv_s16), check_product},
      .fully_connected = {1, 1, sizeof(arenafit_conv_s16), check_product},
      .pool = {1, 1, sizeof(arenafit_pool), check_pool},
      .global_pool = {1, 1, sizeof(arenafit_pool), check_reduction},
      .mean = {1, 1, sizeof(arenafit_mean), check_reduction},
      .arithmetic = {2, 2, sizeof(arenafit_arithmetic), check_arithmetic},
  };
  static const kind kLeakyRelu = {1, 1, sizeof(arenafit_leaky_relu_s16), check_leaky_relu};
  switch (id) {
    case ARENAFIT_LEAKY_RELU:
      return &kLeakyRelu;
    default:
      return arenafit_common_kind(&kCommon, id);
  }
}

#endif /* ARENAFIT_NO_S16 */
