#include "arenafit/quant.h"
#include "arenafit/rows_f32.h"
#include "arenafit/rows_s16.h"

#ifndef ARENAFIT_NO_F32

/* To the nearest integer, halves away from 0; what is beyond +-2^20 becomes that, and what is no
 * number 0. */
static int32_t round_away(float x) {
  const float kLargest = 1 << 20;
  if (!(x > -kLargest)) {
    return x <= -kLargest ? -(1 << 20) : 0;
  }
  if (x >= kLargest) {
    return 1 << 20;
  }
  const int32_t whole = (int32_t)x; /* towards 0 */
  const float rest = x - (float)whole;
  return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

void arenafit_quantize_row_f32_s8(const arenafit_quantize* params, const float* row, int32_t count,
                                  int8_t* out) {
  for (int32_t i = 0; i < count; ++i) {
    const int32_t value = round_away(row[i] / params->scale) + params->zero_point;
    out[i] = (int8_t)arenafit_clamp(value, INT8_MIN, INT8_MAX);
  }
}

void arenafit_quantize_row_f32_s16(const arenafit_quantize* params, const float* row, int32_t count,
                                   int16_t* out) {
  for (int32_t i = 0; i < count; ++i) {
    const int32_t value = round_away(row[i] / params->scale) + params->zero_point;
    out[i] = (int16_t)arenafit_clamp(value, INT16_MIN, INT16_MAX);
  }
}

/* TFLM multiplies in double, which is exact here, and rounds to float: as one product of floats
 * does, the difference being of 17 bits at most. */

void arenafit_dequantize_row_s8_f32(const arenafit_quantize* params, const int8_t* row,
                                    int32_t count, float* out) {
  for (int32_t i = 0; i < count; ++i) {
    out[i] = params->scale * (float)(row[i] - params->zero_point);
  }
}

void arenafit_dequantize_row_u8_f32(const arenafit_quantize* params, const uint8_t* row,
                                    int32_t count, float* out) {
  for (int32_t i = 0; i < count; ++i) {
    out[i] = params->scale * (float)(row[i] - params->zero_point);
  }
}

void arenafit_dequantize_row_s16_f32(const arenafit_quantize* params, const int16_t* row,
                                     int32_t count, float* out) {
  for (int32_t i = 0; i < count; ++i) {
    out[i] = params->scale * (float)(row[i] - params->zero_point);
  }
}

#endif /* ARENAFIT_NO_F32 */

#ifndef ARENAFIT_NO_S16

static int32_t rescale(const arenafit_rescale* params, int32_t x, int32_t min, int32_t max) {
  const int32_t scaled =
      arenafit_requantize(x + params->input_offset, params->multiplier, params->shift);
  return arenafit_clamp(arenafit_wrapping_add(scaled, params->output_offset), min, max);
}

void arenafit_requantize_row_s8_s16(const arenafit_rescale* params, const int8_t* row,
                                    int32_t count, int16_t* out) {
  for (int32_t i = 0; i < count; ++i) {
    out[i] = (int16_t)rescale(params, row[i], INT16_MIN, INT16_MAX);
  }
}

void arenafit_requantize_row_s16_s8(const arenafit_rescale* params, const int16_t* row,
                                    int32_t count, int8_t* out) {
  for (int32_t i = 0; i < count; ++i) {
    out[i] = (int8_t)rescale(params, row[i], INT8_MIN, INT8_MAX);
  }
}

void arenafit_requantize_row_s16(const arenafit_rescale* params, const int16_t* row, int32_t count,
                                 int16_t* out) {
  for (int32_t i = 0; i < count; ++i) {
    out[i] = (int16_t)rescale(params, row[i], INT16_MIN, INT16_MAX);
  }
}

#endif /* ARENAFIT_NO_S16 */
