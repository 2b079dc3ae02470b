#include <stddef.h>
#include <string.h>

#include "arenafit/rows.h"

#include "segment_walk.h"

/* Copies with memmove: in a program that nobody wrote, any two rings may share memory. */

void arenafit_interleave_row(const void* row, int32_t count, int32_t bytes, int32_t stride,
                             void* out) {
  const uint8_t* source = row;
  uint8_t* target = out;
  for (int32_t i = 0; i < count; ++i, source += bytes, target += stride) {
    memmove(target, source, (size_t)bytes);
  }
}

void arenafit_pad_row(const arenafit_pad* params, const arenafit_tensor* input, const void* row,
                      const arenafit_tensor* output, void* out) {
  const int32_t before = arenafit_pixel_size(input), after = arenafit_pixel_size(output);
  memset(out, params->value, arenafit_row_size(output));
  if (row != NULL) {
    const int32_t channel = after / output->channels;
    uint8_t* inside = (uint8_t*)out + params->columns * after + params->channels * channel;
    arenafit_interleave_row(row, input->width, before, after, inside);
  }
}

void arenafit_table_row_s8(const int8_t* table, const int8_t* row, int32_t count, int8_t* out) {
  for (int32_t i = 0; i < count; ++i) {
    out[i] = table[(uint8_t)row[i]];
  }
}

void arenafit_resize_row(const uint16_t* columns, const void* row, int32_t width, int32_t pixel,
                         void* out) {
  const uint8_t* source = row;
  uint8_t* target = out;
  for (int32_t i = 0; i < width; ++i, target += pixel) {
    memmove(target, source + columns[i] * pixel, (size_t)pixel);
  }
}
