// Max-pooling on the device: the real TFLM's bytes, and in place as far as it is said to be safe.
#include <string.h>

#include "arenafit/max_pool.h"
#include "harness.h"
#include "max_pool_vectors.h"

typedef struct {
  arenafit_type type;
  arenafit_max_pool_2d_params params;
  arenafit_dims in, out;
  size_t in_bytes, out_bytes;
} operator;

static uint8_t memory[20 * 1024] __attribute__((aligned(16)));

static operator prepare(arenafit_type type, const uint8_t* options, size_t size,
                        const int32_t* dims) {
  static const size_t bytes[] = {sizeof(int8_t), sizeof(int16_t), sizeof(float)};
  operator op = {.type = type,
                 .in = {dims[0], dims[1], dims[2], dims[3]},
                 .out = {dims[4], dims[5], dims[6], dims[7]}};
  int32_t claimed;
  EXPECT_EQ(ARENAFIT_OK, arenafit_max_pool_2d_parse(options, size, type, &op.params, &claimed));
  EXPECT_EQ(ARENAFIT_OK, arenafit_max_pool_2d_check(&op.params, type, &op.in, &op.out));
  op.in_bytes = bytes[type] * (size_t)(op.in.n * op.in.h * op.in.w * op.in.c);
  op.out_bytes = bytes[type] * (size_t)(op.out.n * op.out.h * op.out.w * op.out.c);
  return op;
}

static void pool(const operator* op, const void* input, void* output) {
  switch (op->type) {
    case ARENAFIT_S8:
      arenafit_max_pool_2d_s8(&op->params, &op->in, input, &op->out, output);
      break;
    case ARENAFIT_S16:
      arenafit_max_pool_2d_s16(&op->params, &op->in, input, &op->out, output);
      break;
    case ARENAFIT_F32:
      arenafit_max_pool_2d_f32(&op->params, &op->in, input, &op->out, output);
      break;
  }
}

// Where the output comes to lie, with the input `distance` bytes after it.
static uint8_t* pool_at(const operator* op, const void* input, int32_t distance) {
  uint8_t* read = memory + (distance > 0 ? distance : 0);
  uint8_t* written = memory + (distance < 0 ? -distance : 0);
  memcpy(read, input, op->in_bytes);
  EXPECT_EQ(ARENAFIT_OK, arenafit_max_pool_2d_check_overlap(&op->params, op->type, &op->in, read,
                                                            &op->out, written));
  MEASURE { pool(op, read, written); }
  return written;
}

static int32_t overlap(const operator* op) {
  return arenafit_max_pool_2d_overlap(&op->params, op->type, &op->in, &op->out);
}

#define PREPARE(type, name) prepare(type, name##_options, sizeof name##_options, name##_dims)

#define EXPECT_POOLED(name, op, distance) \
  EXPECT_BYTES(name##_expected, pool_at(&(op), name##_input, (int32_t)(distance)), (op).out_bytes)

TEST(apart_the_outputs_are_those_of_tflm) {
  const operator ops[] = {PREPARE(ARENAFIT_S8, halving), PREPARE(ARENAFIT_S8, odd),
                          PREPARE(ARENAFIT_S8, padded),  PREPARE(ARENAFIT_S8, clamped),
                          PREPARE(ARENAFIT_S16, wide),   PREPARE(ARENAFIT_F32, real)};
  EXPECT_POOLED(halving, ops[0], ops[0].out_bytes);
  EXPECT_POOLED(odd, ops[1], ops[1].out_bytes);
  EXPECT_POOLED(padded, ops[2], ops[2].out_bytes);
  EXPECT_POOLED(clamped, ops[3], ops[3].out_bytes);
  EXPECT_POOLED(wide, ops[4], ops[4].out_bytes);
  EXPECT_POOLED(real, ops[5], ops[5].out_bytes);
}

TEST(in_place_halving_gives_the_same) {
  const operator op = PREPARE(ARENAFIT_S8, halving);
  EXPECT(overlap(&op) <= 0);
  EXPECT_POOLED(halving, op, 0);
}

TEST(at_the_overlap_distance_the_outputs_are_those_of_tflm) {
  const operator ops[] = {PREPARE(ARENAFIT_S8, odd), PREPARE(ARENAFIT_S8, padded),
                          PREPARE(ARENAFIT_S8, clamped), PREPARE(ARENAFIT_S16, wide),
                          PREPARE(ARENAFIT_F32, real)};
  EXPECT_POOLED(odd, ops[0], overlap(&ops[0]));
  EXPECT_POOLED(padded, ops[1], overlap(&ops[1]));
  EXPECT_POOLED(clamped, ops[2], overlap(&ops[2]));
  EXPECT_POOLED(wide, ops[3], overlap(&ops[3]));
  EXPECT_POOLED(real, ops[4], overlap(&ops[4]));
}

TEST(one_pixel_nearer_is_refused_and_would_be_wrong) {
  const operator op = PREPARE(ARENAFIT_S8, padded);
  const int32_t distance = overlap(&op) - op.in.c;
  EXPECT_EQ(ARENAFIT_BAD_OVERLAP,
            arenafit_max_pool_2d_check_overlap(&op.params, op.type, &op.in, memory + distance,
                                               &op.out, memory));
  memcpy(memory + distance, padded_input, op.in_bytes);
  pool(&op, memory + distance, memory);
  EXPECT(memcmp(padded_expected, memory, op.out_bytes) != 0);
}
