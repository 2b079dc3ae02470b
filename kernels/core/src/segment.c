#include "arenafit/segment.h"

#include <stddef.h>
#include "arenafit/rows.h"

#include "segment_walk.h"

/* A run: the walk, and where things are. */
typedef struct {
  arenafit_walk walk;
  const void* const* inputs;
  void* const* outputs;
  uint8_t* workspace;
} run;

static const uint8_t* base_of(const run* self, const arenafit_tensor* tensor) {
  switch (tensor->place) {
    case ARENAFIT_PLACE_INPUT:
      return self->inputs[tensor->offset];
    case ARENAFIT_PLACE_OUTPUT:
      return self->outputs[tensor->offset];
    case ARENAFIT_PLACE_CONSTANT:
      return arenafit_at(self->walk.parts.header, tensor->offset);
    default:
      return self->workspace + tensor->offset;
  }
}

static const void* row_of(const run* self, const arenafit_tensor* tensor, int32_t row) {
  return base_of(self, tensor) + (uint32_t)row % tensor->ring * arenafit_row_size(tensor);
}

/* Where a tensor that an operator makes has a row. */
static void* target_of(const run* self, const arenafit_tensor* tensor, uint32_t row) {
  uint8_t* base = tensor->place == ARENAFIT_PLACE_OUTPUT ? self->outputs[tensor->offset]
                                                         : self->workspace + tensor->offset;
  return base + row % tensor->ring * arenafit_row_size(tensor);
}

/* The rows of a window, NULL for those outside of the image. */
static void window_rows(const run* self, const arenafit_tensor* tensor,
                        const arenafit_window* window, uint32_t step, const int8_t** rows) {
  int32_t y = (int32_t)step * window->stride_h - window->pad_h;
  for (int32_t i = 0; i < window->kernel_h; ++i, y += window->dilation_h) {
    rows[i] = y < 0 || y >= tensor->rows ? NULL : row_of(self, tensor, y);
  }
}

static const void* at_or_null(const run* self, uint32_t offset) {
  return offset == 0 ? NULL : arenafit_at(self->walk.parts.header, offset);
}

static void convolve(const run* self, const arenafit_operator* op, uint32_t step) {
  const arenafit_parts* parts = &self->walk.parts;
  const arenafit_conv* params = arenafit_at(parts->header, op->parameters);
  const arenafit_conv_data data = {
      .weights = at_or_null(self, params->weights),
      .bias = at_or_null(self, params->bias),
      .folded = at_or_null(self, params->folded),
      .multipliers = at_or_null(self, params->multipliers),
      .shifts = at_or_null(self, params->shifts),
  };
  const arenafit_tensor* input = arenafit_operand(parts, op, 0);
  const arenafit_tensor* output = &parts->tensors[op->output];
  const int8_t* rows[ARENAFIT_MAX_TAPS];
  switch (op->kind) {
    case ARENAFIT_CONV_2D: {
      const int32_t* sums = NULL;
      if (op->operands == 2) {
        sums = row_of(self, arenafit_operand(parts, op, 1), (int32_t)step);
      }
      window_rows(self, input, &params->window, step, rows);
      arenafit_conv_2d_row_s8(params, &data, input, rows, sums, output,
                              target_of(self, output, step));
      break;
    }
    case ARENAFIT_DEPTHWISE_CONV_2D:
      window_rows(self, input, &params->window, step, rows);
      arenafit_depthwise_conv_2d_row_s8(params, &data, input, rows, output,
                                        target_of(self, output, step));
      break;
    default:
      arenafit_fully_connected_row_s8(
          params, &data, input, (int32_t)step, row_of(self, input, (int32_t)step),
          (int32_t*)(void*)(self->workspace + op->accumulator), output, target_of(self, output, 0));
      break;
  }
}

static void pool(const run* self, const arenafit_operator* op, uint32_t step) {
  const arenafit_parts* parts = &self->walk.parts;
  const arenafit_pool* params = arenafit_at(parts->header, op->parameters);
  const arenafit_tensor* input = arenafit_operand(parts, op, 0);
  const arenafit_tensor* output = &parts->tensors[op->output];
  const int8_t* rows[ARENAFIT_MAX_TAPS];
  window_rows(self, input, &params->window, step, rows);
  if (op->kind == ARENAFIT_MAX_POOL_2D) {
    arenafit_max_pool_2d_row_s8(params, input, rows, output, target_of(self, output, step));
  } else {
    arenafit_average_pool_2d_row_s8(params, input, rows, output, target_of(self, output, step));
  }
}

static void reduce(const run* self, const arenafit_operator* op, uint32_t step) {
  const arenafit_parts* parts = &self->walk.parts;
  const void* params = arenafit_at(parts->header, op->parameters);
  const arenafit_tensor* input = arenafit_operand(parts, op, 0);
  const int32_t y = (int32_t)step;
  const int8_t* row = row_of(self, input, y);
  int32_t* sums = (int32_t*)(void*)(self->workspace + op->accumulator);
  int8_t* out = target_of(self, &parts->tensors[op->output], 0);
  if (op->kind == ARENAFIT_MEAN) {
    arenafit_mean_row_s8(params, input, y, row, sums, out);
  } else if (op->kind == ARENAFIT_GLOBAL_AVERAGE_POOL) {
    arenafit_global_average_pool_row_s8(params, input, y, row, sums, out);
  } else {
    arenafit_global_max_pool_row_s8(params, input, y, row, sums, out);
  }
}

static void calculate(const run* self, const arenafit_operator* op, uint32_t step) {
  const arenafit_parts* parts = &self->walk.parts;
  const arenafit_arithmetic* params = arenafit_at(parts->header, op->parameters);
  const arenafit_tensor* output = &parts->tensors[op->output];
  const arenafit_tensor* inputs[2];
  const int8_t* rows[2];
  for (uint32_t i = 0; i < 2; ++i) {
    inputs[i] = arenafit_operand(parts, op, i);
    rows[i] = row_of(self, inputs[i], inputs[i]->rows == 1 ? 0 : (int32_t)step);
  }
  int8_t* out = target_of(self, output, step);
  if (op->kind == ARENAFIT_ADD) {
    arenafit_add_row_s8(params, inputs, rows, output, out);
  } else if (op->kind == ARENAFIT_SUB) {
    arenafit_sub_row_s8(params, inputs, rows, output, out);
  } else {
    arenafit_mul_row_s8(params, inputs, rows, output, out);
  }
}

static void concatenate(const run* self, const arenafit_operator* op, uint32_t step) {
  const arenafit_parts* parts = &self->walk.parts;
  const arenafit_concatenation* params = arenafit_at(parts->header, op->parameters);
  const arenafit_tensor* output = &parts->tensors[op->output];
  const int by_channels = params->axis == 2;
  const int32_t count = by_channels ? output->width : 1;
  const int32_t stride = by_channels ? output->channels : 0;
  int8_t* out = target_of(self, output, step);
  for (uint32_t i = 0; i < op->operands; ++i) {
    const arenafit_tensor* input = arenafit_operand(parts, op, i);
    const arenafit_span span = arenafit_rows_read(parts, op, i, step);
    if (span.first > span.last) {
      continue; /* concatenated by rows, and this row is another's */
    }
    const int32_t bytes = by_channels ? input->channels : (int32_t)arenafit_row_size(input);
    arenafit_interleave_row(row_of(self, input, span.first), count, bytes, stride, out);
    if (params->axis != 0) {
      out += bytes;
    }
  }
}

static void move(const run* self, const arenafit_operator* op, uint32_t step) {
  const arenafit_parts* parts = &self->walk.parts;
  const void* params = arenafit_at(parts->header, op->parameters);
  const arenafit_tensor* input = arenafit_operand(parts, op, 0);
  const arenafit_tensor* output = &parts->tensors[op->output];
  const arenafit_span span = arenafit_rows_read(parts, op, 0, step);
  const void* row = span.first > span.last ? NULL : row_of(self, input, span.first);
  void* out = target_of(self, output, step);
  if (op->kind == ARENAFIT_PAD) {
    arenafit_pad_row_s8(params, input, row, output, out);
  } else if (op->kind == ARENAFIT_TABLE) {
    arenafit_table_row_s8(params, row, (int32_t)arenafit_row_size(output), out);
  } else if (op->kind == ARENAFIT_SOFTMAX) {
    arenafit_softmax_row_s8(params, output, row, out);
  } else {
    const arenafit_resize* resize = params;
    arenafit_resize_row(arenafit_at(parts->header, resize->columns), row, output->width,
                        output->channels, out);
  }
}

void arenafit_segment_run(const arenafit_program* program, const void* const* inputs,
                          void* const* outputs, void* workspace) {
  run self = {arenafit_walk_start(program, workspace), inputs, outputs, workspace};
  const arenafit_operator* op;
  while ((op = arenafit_walk_next(&self.walk)) != NULL) {
    const uint32_t step = self.walk.steps[op - self.walk.parts.operators] - 1u;
    switch (op->kind) {
      case ARENAFIT_CONV_2D:
      case ARENAFIT_DEPTHWISE_CONV_2D:
      case ARENAFIT_FULLY_CONNECTED:
        convolve(&self, op, step);
        break;
      case ARENAFIT_MAX_POOL_2D:
      case ARENAFIT_AVERAGE_POOL_2D:
        pool(&self, op, step);
        break;
      case ARENAFIT_GLOBAL_AVERAGE_POOL:
      case ARENAFIT_GLOBAL_MAX_POOL:
      case ARENAFIT_MEAN:
        reduce(&self, op, step);
        break;
      case ARENAFIT_ADD:
      case ARENAFIT_SUB:
      case ARENAFIT_MUL:
        calculate(&self, op, step);
        break;
      case ARENAFIT_CONCATENATION:
        concatenate(&self, op, step);
        break;
      default:
        move(&self, op, step);
        break;
    }
  }
}
