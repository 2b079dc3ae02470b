// What a kernel is to TFLM; see ../c/common.h.
#ifndef ARENAFIT_HOST_TFLM_ABI_MICRO_COMMON_H_
#define ARENAFIT_HOST_TFLM_ABI_MICRO_COMMON_H_

#include "tensorflow/lite/c/common.h"

namespace tflite {
namespace micro {

struct TFLMRegistration {
  void* (*init)(TfLiteContext* context, const char* buffer, size_t length);
  void (*free)(TfLiteContext* context, void* buffer);
  TfLiteStatus (*prepare)(TfLiteContext* context, TfLiteNode* node);
  TfLiteStatus (*invoke)(TfLiteContext* context, TfLiteNode* node);
  void (*reset)(TfLiteContext* context, void* buffer);
  int32_t builtin_code;
  const char* custom_name;
};

static_assert(sizeof(TFLMRegistration) == 56, "as in the wheels");

}  // namespace micro
}  // namespace tflite

#endif  // ARENAFIT_HOST_TFLM_ABI_MICRO_COMMON_H_
