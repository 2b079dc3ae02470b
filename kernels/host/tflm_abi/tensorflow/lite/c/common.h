// The C structs of TFLM as its PyPI wheels for x86-64 lay them out (since December 2024).
//
// The headers below tflm_abi/ stand in for TFLM's own, under the paths that kernels/tflm
// includes: with them, and no TFLM source at hand, that code is compiled into a library that a
// wheel can load. They declare what kernels/ uses, no more. The self-test (src/self_test.cc)
// holds the layouts against the wheel that is installed.
#ifndef ARENAFIT_HOST_TFLM_ABI_COMMON_H_
#define ARENAFIT_HOST_TFLM_ABI_COMMON_H_

#include <cstddef>
#include <cstdint>

namespace tflite {
namespace micro {

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };

enum TfLiteType {
  kTfLiteNoType = 0,
  kTfLiteFloat32 = 1,
  kTfLiteInt32 = 2,
  kTfLiteUInt8 = 3,
  kTfLiteInt64 = 4,
  kTfLiteBool = 6,
  kTfLiteInt16 = 7,
  kTfLiteInt8 = 9,
};

struct TfLiteContext;  // its layout differs between wheels: see GetMicroContext

struct TfLiteIntArray {
  int size;
  int data[1];  // `size` of them
};

union TfLitePtrUnion {
  void* data;
  void* raw;
  int8_t* int8;
  int16_t* i16;
  int32_t* i32;
  uint8_t* uint8;
  float* f;
};

struct TfLiteQuantization {
  int type;
  void* params;
};

struct TfLiteQuantizationParams {
  float scale;
  int32_t zero_point;
};

struct TfLiteTensor {
  TfLiteQuantization quantization;
  TfLiteQuantizationParams params;
  TfLitePtrUnion data;
  TfLiteIntArray* dims;
  size_t bytes;
  TfLiteType type;
  int allocation_type;
  bool is_variable;
};

struct TfLiteEvalTensor {
  TfLitePtrUnion data;
  TfLiteIntArray* dims;
  TfLiteType type;
};

struct TfLiteNode {
  TfLiteIntArray* inputs;
  TfLiteIntArray* outputs;
  TfLiteIntArray* intermediates;
  void* user_data;
  void* builtin_data;
  const void* custom_initial_data;
  int custom_initial_data_size;
};

static_assert(sizeof(void*) == 8 && sizeof(size_t) == 8, "the wheels are for x86-64");
static_assert(sizeof(TfLiteTensor) == 64 && sizeof(TfLiteEvalTensor) == 24 &&
                  sizeof(TfLiteNode) == 56,
              "as in the wheels");

}  // namespace micro
}  // namespace tflite

#endif  // ARENAFIT_HOST_TFLM_ABI_COMMON_H_
