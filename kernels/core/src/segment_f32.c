#include <stddef.h>

#include "arenafit/rows_f32.h"

#include "segment_step.h"

#ifndef ARENAFIT_NO_F32

static int32_t count_of(const arenafit_tensor* tensor) { return tensor->width * tensor->channels; }

/* Rows of floats; there may be other types in their place, then nobody looks at them. */
typedef struct {
  const float* at[ARENAFIT_MAX_TAPS];
} float_rows;

static void find_rows(const arenafit_step* step, float_rows* rows) {
  const arenafit_window* window = step->params;
  const int32_t count = arenafit_has_window(step->kind) ? window->kernel_h
                        : step->inputs[1] == NULL       ? 1
                                                        : 2;
  for (int32_t i = 0; i < count; ++i) {
    rows->at[i] = (const float*)(const void*)step->rows[i];
  }
}

static void convolve(const arenafit_step* step, const float_rows* rows) {
  const arenafit_conv_f32* params = step->params;
  const float* weights = arenafit_at_or_null(step, params->weights);
  const float* bias = arenafit_at_or_null(step, params->bias);
  const arenafit_tensor *input = step->inputs[0], *output = step->output;
  if (step->kind == ARENAFIT_CONV_2D) {
    arenafit_conv_2d_row_f32(params, weights, bias, input, rows->at, output, step->out);
  } else if (step->kind == ARENAFIT_DEPTHWISE_CONV_2D) {
    arenafit_depthwise_conv_2d_row_f32(params, weights, bias, input, rows->at, output, step->out);
  } else {
    arenafit_fully_connected_row_f32(params, weights, bias, input, step->y, rows->at[0],
                                     step->accumulator, output, step->out);
  }
}

static void pool(const arenafit_step* step, const float_rows* rows) {
  const arenafit_pool_f32* params = step->params;
  const arenafit_tensor *input = step->inputs[0], *output = step->output;
  switch (step->kind) {
    case ARENAFIT_MAX_POOL_2D:
      arenafit_max_pool_2d_row_f32(params, input, rows->at, output, step->out);
      break;
    case ARENAFIT_AVERAGE_POOL_2D:
      arenafit_average_pool_2d_row_f32(params, input, rows->at, output, step->out);
      break;
    case ARENAFIT_GLOBAL_AVERAGE_POOL:
      arenafit_global_average_pool_row_f32(params, input, step->y, rows->at[0], step->accumulator,
                                           step->out);
      break;
    default:
      arenafit_global_max_pool_row_f32(params, input, step->y, rows->at[0], step->accumulator,
                                       step->out);
      break;
  }
}

static void convert(const arenafit_step* step) {
  const int32_t count = count_of(step->output);
  const void* row = step->rows[0];
  if (step->output->type == ARENAFIT_TENSOR_S8) {
    arenafit_quantize_row_f32_s8(step->params, row, count, step->out);
  } else if (step->output->type == ARENAFIT_TENSOR_S16) {
    arenafit_quantize_row_f32_s16(step->params, row, count, step->out);
  } else if (step->inputs[0]->type == ARENAFIT_TENSOR_S8) {
    arenafit_dequantize_row_s8_f32(step->params, row, count, step->out);
  } else if (step->inputs[0]->type == ARENAFIT_TENSOR_U8) {
    arenafit_dequantize_row_u8_f32(step->params, row, count, step->out);
  } else {
    arenafit_dequantize_row_s16_f32(step->params, row, count, step->out);
  }
}

void arenafit_step_f32(const arenafit_step* step) {
  const int32_t count = count_of(step->output);
  float_rows rows;
  find_rows(step, &rows);
  switch (step->kind) {
    case ARENAFIT_CONV_2D:
    case ARENAFIT_DEPTHWISE_CONV_2D:
    case ARENAFIT_FULLY_CONNECTED:
      convolve(step, &rows);
      break;
    case ARENAFIT_ADD:
      arenafit_add_row_f32(step->params, step->inputs, rows.at, step->output, step->out);
      break;
    case ARENAFIT_SUB:
      arenafit_sub_row_f32(step->params, step->inputs, rows.at, step->output, step->out);
      break;
    case ARENAFIT_MUL:
      arenafit_mul_row_f32(step->params, step->inputs, rows.at, step->output, step->out);
      break;
    case ARENAFIT_CLAMP:
      arenafit_clamp_row_f32(step->params, rows.at[0], count, step->out);
      break;
    case ARENAFIT_LEAKY_RELU:
      arenafit_leaky_relu_row_f32(step->params, rows.at[0], count, step->out);
      break;
    case ARENAFIT_QUANTIZE:
    case ARENAFIT_DEQUANTIZE:
      convert(step);
      break;
    default:
      pool(step, &rows);
      break;
  }
}

#endif /* ARENAFIT_NO_F32 */
