/* Where program.h has its fields: for the test that holds it against program.py. */
#include <stddef.h>
#include <stdint.h>

#include "arenafit/program.h"

#define FIELD(type, field) (uint32_t) offsetof(type, field), (uint32_t)sizeof(((type*)0)->field)

uint32_t program_layout(uint32_t* out);

uint32_t program_layout(uint32_t* out) {
  const uint32_t values[] = {
      /* sizes */
      sizeof(arenafit_program), sizeof(arenafit_tensor), sizeof(arenafit_operator),
      sizeof(arenafit_goal), sizeof(arenafit_conv), sizeof(arenafit_pool), sizeof(arenafit_mean),
      sizeof(arenafit_arithmetic), sizeof(arenafit_concatenation), sizeof(arenafit_pad),
      sizeof(arenafit_resize), sizeof(arenafit_softmax), sizeof(arenafit_quantize),
      sizeof(arenafit_rescale), sizeof(arenafit_feed), sizeof(arenafit_conv_f32),
      sizeof(arenafit_pool_f32), sizeof(arenafit_range_f32), sizeof(arenafit_leaky_relu_f32),
      sizeof(arenafit_conv_s16), sizeof(arenafit_leaky_relu_s16),
      /* constants */
      ARENAFIT_PROGRAM_MAGIC, ARENAFIT_PROGRAM_ALIGNMENT, ARENAFIT_NO_OPERATOR, ARENAFIT_DISJOINT,
      ARENAFIT_MAX_TAPS, ARENAFIT_MAX_OPERANDS, ARENAFIT_STATE_SIZE(3),
      /* enumerators, in the order of program.py's Kind, Place and TensorType */
      ARENAFIT_CONV_2D, ARENAFIT_DEPTHWISE_CONV_2D, ARENAFIT_FULLY_CONNECTED, ARENAFIT_MAX_POOL_2D,
      ARENAFIT_AVERAGE_POOL_2D, ARENAFIT_GLOBAL_AVERAGE_POOL, ARENAFIT_GLOBAL_MAX_POOL,
      ARENAFIT_MEAN, ARENAFIT_ADD, ARENAFIT_SUB, ARENAFIT_MUL, ARENAFIT_CONCATENATION, ARENAFIT_PAD,
      ARENAFIT_TABLE, ARENAFIT_RESIZE_NEAREST_NEIGHBOR, ARENAFIT_SOFTMAX, ARENAFIT_QUANTIZE,
      ARENAFIT_DEQUANTIZE, ARENAFIT_REQUANTIZE, ARENAFIT_FEED, ARENAFIT_LEAKY_RELU, ARENAFIT_CLAMP,
      ARENAFIT_PLACE_WORKSPACE, ARENAFIT_PLACE_INPUT, ARENAFIT_PLACE_OUTPUT,
      ARENAFIT_PLACE_CONSTANT, ARENAFIT_TENSOR_S8, ARENAFIT_TENSOR_S16, ARENAFIT_TENSOR_F32,
      ARENAFIT_TENSOR_S32, ARENAFIT_TENSOR_U8,
      /* where the fields lie that have neighbours of another size */
      FIELD(arenafit_program, workspace), FIELD(arenafit_program, inputs),
      FIELD(arenafit_program, operands), FIELD(arenafit_tensor, offset),
      FIELD(arenafit_tensor, producer), FIELD(arenafit_tensor, type), FIELD(arenafit_tensor, place),
      FIELD(arenafit_operator, operands), FIELD(arenafit_operator, first),
      FIELD(arenafit_operator, parameters), FIELD(arenafit_operator, accumulator),
      FIELD(arenafit_conv, input_offset), FIELD(arenafit_conv, weights),
      FIELD(arenafit_conv, shifts), FIELD(arenafit_conv, groups), FIELD(arenafit_pool, clamp_min),
      FIELD(arenafit_arithmetic, left_shift), FIELD(arenafit_arithmetic, clamp_min),
      FIELD(arenafit_pad, value), FIELD(arenafit_conv_f32, weights),
      FIELD(arenafit_conv_f32, clamp_min), FIELD(arenafit_conv_f32, groups),
      FIELD(arenafit_pool_f32, clamp_min), FIELD(arenafit_conv_s16, clamp_min),
      FIELD(arenafit_conv_s16, weights), FIELD(arenafit_conv_s16, groups),
      FIELD(arenafit_conv_s16, narrow), FIELD(arenafit_leaky_relu_s16, clamp_min)};
  const uint32_t count = sizeof(values) / sizeof(values[0]);
  for (uint32_t i = 0; i < count; ++i) out[i] = values[i];
  return count;
}
