#include <stddef.h>

#include "arenafit/rows_s16.h"

#include "segment_step.h"

#ifndef ARENAFIT_NO_S16

/* Rows of int16_t; where they are not, nobody looks at them. */
typedef struct {
  const int16_t* at[ARENAFIT_MAX_TAPS];
} wide_rows;

static void find_rows(const arenafit_step* step, wide_rows* rows) {
  const arenafit_window* window = step->params;
  const int32_t count = arenafit_has_window(step->kind) ? window->kernel_h
                        : step->inputs[1] == NULL       ? 1
                                                        : 2;
  for (int32_t i = 0; i < count; ++i) {
    rows->at[i] = (const int16_t*)(const void*)step->rows[i];
  }
}

static void convolve(const arenafit_step* step, const wide_rows* rows) {
  const arenafit_conv_s16* params = step->params;
  const arenafit_conv_data_s16 data = {
      .weights = arenafit_at_or_null(step, params->weights),
      .bias = arenafit_at_or_null(step, params->bias),
      .multipliers = arenafit_at_or_null(step, params->multipliers),
      .shifts = arenafit_at_or_null(step, params->shifts),
  };
  const arenafit_tensor *input = step->inputs[0], *output = step->output;
  if (step->kind == ARENAFIT_CONV_2D) {
    arenafit_conv_2d_row_s16(params, &data, input, rows->at, output, step->out);
  } else if (step->kind == ARENAFIT_DEPTHWISE_CONV_2D) {
    arenafit_depthwise_conv_2d_row_s16(params, &data, input, rows->at, output, step->out);
  } else {
    arenafit_fully_connected_row_s16(params, &data, input, step->y, rows->at[0], step->accumulator,
                                     output, step->out);
  }
}

static void pool(const arenafit_step* step, const wide_rows* rows) {
  const arenafit_tensor *input = step->inputs[0], *output = step->output;
  switch (step->kind) {
    case ARENAFIT_MAX_POOL_2D:
      arenafit_max_pool_2d_row_s16(step->params, input, rows->at, output, step->out);
      break;
    case ARENAFIT_AVERAGE_POOL_2D:
      arenafit_average_pool_2d_row_s16(step->params, input, rows->at, output, step->out);
      break;
    case ARENAFIT_GLOBAL_AVERAGE_POOL:
      arenafit_global_average_pool_row_s16(step->params, input, step->y, rows->at[0],
                                           step->accumulator, step->out);
      break;
    case ARENAFIT_GLOBAL_MAX_POOL:
      arenafit_global_max_pool_row_s16(step->params, input, step->y, rows->at[0], step->accumulator,
                                       step->out);
      break;
    default:
      arenafit_mean_row_s16(step->params, input, step->y, rows->at[0], step->accumulator,
                            step->out);
      break;
  }
}

static void requantize(const arenafit_step* step, int32_t count) {
  const void* row = step->rows[0];
  if (step->inputs[0]->type == ARENAFIT_TENSOR_S8) {
    arenafit_requantize_row_s8_s16(step->params, row, count, step->out);
  } else if (step->output->type == ARENAFIT_TENSOR_S8) {
    arenafit_requantize_row_s16_s8(step->params, row, count, step->out);
  } else {
    arenafit_requantize_row_s16(step->params, row, count, step->out);
  }
}

void arenafit_step_s16(const arenafit_step* step) {
  const int32_t count = step->output->width * step->output->channels;
  wide_rows rows;
  find_rows(step, &rows);
  switch (step->kind) {
    case ARENAFIT_CONV_2D:
    case ARENAFIT_DEPTHWISE_CONV_2D:
    case ARENAFIT_FULLY_CONNECTED:
      convolve(step, &rows);
      break;
    case ARENAFIT_ADD:
      arenafit_add_row_s16(step->params, step->inputs, rows.at, step->output, step->out);
      break;
    case ARENAFIT_SUB:
      arenafit_sub_row_s16(step->params, step->inputs, rows.at, step->output, step->out);
      break;
    case ARENAFIT_MUL:
      arenafit_mul_row_s16(step->params, step->inputs, rows.at, step->output, step->out);
      break;
    case ARENAFIT_LEAKY_RELU:
      arenafit_leaky_relu_row_s16(step->params, rows.at[0], count, step->out);
      break;
    case ARENAFIT_REQUANTIZE:
      requantize(step, count);
      break;
    default:
      pool(step, &rows);
      break;
  }
}

#endif /* ARENAFIT_NO_S16 */
