#include <stddef.h>

#include "arenafit/rows.h"

#include "segment_step.h"

#ifndef ARENAFIT_NO_F32

static const void* row_of(const arenafit_step* step, uint32_t index) { return step->rows[index]; }

static int32_t count_of(const arenafit_tensor* tensor) { return tensor->width * tensor->channels; }

static void dequantize(const arenafit_step* step) {
  const int32_t count = count_of(step->output);
  switch (step->inputs[0]->type) {
    case ARENAFIT_TENSOR_S8:
      arenafit_dequantize_row_s8_f32(step->params, row_of(step, 0), count, step->out);
      break;
    case ARENAFIT_TENSOR_U8:
      arenafit_dequantize_row_u8_f32(step->params, row_of(step, 0), count, step->out);
      break;
    default:
      arenafit_dequantize_row_s16_f32(step->params, row_of(step, 0), count, step->out);
      break;
  }
}

void arenafit_step_f32(const arenafit_step* step) {
  const int32_t count = count_of(step->output);
  switch (step->kind) {
    case ARENAFIT_QUANTIZE:
      if (step->output->type == ARENAFIT_TENSOR_S8) {
        arenafit_quantize_row_f32_s8(step->params, row_of(step, 0), count, step->out);
      } else {
        arenafit_quantize_row_f32_s16(step->params, row_of(step, 0), count, step->out);
      }
      break;
    default:
      dequantize(step);
      break;
  }
}

#endif /* ARENAFIT_NO_F32 */
