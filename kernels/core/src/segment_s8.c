#include <stddef.h>

#include "arenafit/rows.h"

#include "segment_step.h"

static void convolve(const arenafit_step* step) {
  const arenafit_conv* params = step->params;
  const arenafit_conv_data data = {
      .weights = arenafit_at_or_null(step, params->weights),
      .bias = arenafit_at_or_null(step, params->bias),
      .folded = arenafit_at_or_null(step, params->folded),
      .multipliers = arenafit_at_or_null(step, params->multipliers),
      .shifts = arenafit_at_or_null(step, params->shifts),
  };
  const arenafit_tensor *input = step->inputs[0], *output = step->output;
  switch (step->kind) {
    case ARENAFIT_CONV_2D:
      arenafit_conv_2d_row_s8(params, &data, input, step->rows, step->sums, output, step->out);
      break;
    case ARENAFIT_DEPTHWISE_CONV_2D:
      arenafit_depthwise_conv_2d_row_s8(params, &data, input, step->rows, output, step->out);
      break;
    default:
      arenafit_fully_connected_row_s8(params, &data, input, step->y, step->rows[0],
                                      step->accumulator, output, step->out);
      break;
  }
}

void arenafit_step_s8(const arenafit_step* step) {
  const arenafit_tensor *input = step->inputs[0], *output = step->output;
  const void* params = step->params;
  const int8_t* const* rows = step->rows;
  switch (step->kind) {
    case ARENAFIT_CONV_2D:
    case ARENAFIT_DEPTHWISE_CONV_2D:
    case ARENAFIT_FULLY_CONNECTED:
      convolve(step);
      break;
    case ARENAFIT_MAX_POOL_2D:
      arenafit_max_pool_2d_row_s8(params, input, rows, output, step->out);
      break;
    case ARENAFIT_AVERAGE_POOL_2D:
      arenafit_average_pool_2d_row_s8(params, input, rows, output, step->out);
      break;
    case ARENAFIT_GLOBAL_AVERAGE_POOL:
      arenafit_global_average_pool_row_s8(params, input, step->y, rows[0], step->accumulator,
                                          step->out);
      break;
    case ARENAFIT_GLOBAL_MAX_POOL:
      arenafit_global_max_pool_row_s8(params, input, step->y, rows[0], step->accumulator,
                                      step->out);
      break;
    case ARENAFIT_MEAN:
      arenafit_mean_row_s8(params, input, step->y, rows[0], step->accumulator, step->out);
      break;
    case ARENAFIT_ADD:
      arenafit_add_row_s8(params, step->inputs, rows, output, step->out);
      break;
    case ARENAFIT_SUB:
      arenafit_sub_row_s8(params, step->inputs, rows, output, step->out);
      break;
    case ARENAFIT_MUL:
      arenafit_mul_row_s8(params, step->inputs, rows, output, step->out);
      break;
    default:
      arenafit_softmax_row_s8(params, output, rows[0], step->out);
      break;
  }
}
