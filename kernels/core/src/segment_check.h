/* What the checks of programs share: a file for each type, and one for what only moves or converts,
 * say what operators may have. */
#ifndef ARENAFIT_SEGMENT_CHECK_H_
#define ARENAFIT_SEGMENT_CHECK_H_

#include <stddef.h>

#include "arenafit/segment.h"
#include "segment_walk.h"

#define ARENAFIT_LARGEST_F32 3.4028234663852886e38f /* all but infinity */

/* A program, its parts, and where its data may begin. */
typedef struct {
  arenafit_parts parts;
  uint64_t data;
} subject;

typedef arenafit_segment_status status;

/* An operator, its parameters and tensors. */
typedef struct {
  const subject* program;
  const arenafit_operator* op;
  const void* params;
  const arenafit_tensor* x; /* its first operand; NULL where it has none */
  const arenafit_tensor* y;
} call;

/* What is known of a kind of operator. */
typedef struct {
  uint32_t least, most; /* operands */
  uint32_t size;        /* bytes of the parameters */
  status (*check)(const call* it);
} kind;

/* Kinds that several types have, each with parameters and a check of its own; `check` is NULL where
 * a type has not. */
typedef struct {
  kind conv, depthwise, fully_connected, pool, global_pool, mean, arithmetic;
} common_kinds;

/* The one of them with that number; NULL if there is none. */
const kind* arenafit_common_kind(const common_kinds* kinds, uint32_t id);

/* NULL for kinds that a type has not. */
const kind* arenafit_kind_of_s8(uint32_t id);
const kind* arenafit_kind_of_f32(uint32_t id);
const kind* arenafit_kind_of_s16(uint32_t id);

/* NULL for kinds that neither move nor convert; these are the same for all types. */
const kind* arenafit_kind_of_move(uint32_t id);

/* Whether there are `bytes` bytes of data at an offset of the program. */
int arenafit_is_data(const subject* self, uint32_t offset, uint64_t bytes, uint32_t alignment);

/* Whether there are `bytes` bytes for rows or sums at an offset of the workspace. */
int arenafit_is_workspace(const subject* self, uint32_t offset, uint64_t bytes, uint32_t alignment);

/* What a convolution or fully connected layer has of the same in all types: its shapes, and its
 * window if it has one. `weights`: how many there must be. */
status arenafit_check_product(const call* it, const arenafit_window* window, uint32_t groups,
                              uint64_t* weights);

/* The same of a pooling window. */
status arenafit_check_pool(const call* it, const arenafit_window* window);

/* The same of what goes over the whole image. */
status arenafit_check_reduction(const call* it);

/* Whether there are sums of an operator that needs them. */
int arenafit_has_accumulator(const call* it);

/* Whether each of two operands has the output's dimensions, or 1 instead. */
int arenafit_are_operands_repeated(const call* it);

static inline uint64_t elements(const arenafit_tensor* tensor) {
  return (uint64_t)tensor->rows * tensor->width * tensor->channels;
}

static inline int is_between(int32_t value, int32_t low, int32_t high) {
  return value >= low && value <= high;
}

static inline int is_byte(int32_t value) { return is_between(value, INT8_MIN, INT8_MAX); }

static inline int is_scale(int32_t multiplier, int32_t shift) {
  return multiplier >= 0 && is_between(shift, -31, 30);
}

static inline int is_same(const arenafit_tensor* a, const arenafit_tensor* b) {
  return a->rows == b->rows && a->width == b->width && a->channels == b->channels;
}

static inline int is_pixel(const arenafit_tensor* tensor, uint32_t channels) {
  return tensor->rows == 1 && tensor->width == 1 && tensor->channels == channels;
}

#endif /* ARENAFIT_SEGMENT_CHECK_H_ */
