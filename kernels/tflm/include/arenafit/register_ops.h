// The operators that `arenafit optimize --runtime arenafit` puts into models.
//
//   tflite::MicroMutableOpResolver<N> resolver;  // N: the builtin operators, and kOpCount
//   resolver.AddConv2D();
//   arenafit::RegisterOps(resolver);
#ifndef ARENAFIT_REGISTER_OPS_H_
#define ARENAFIT_REGISTER_OPS_H_

#include "arenafit/tflm_compat.h"

namespace arenafit {

constexpr char kMaxPool2D[] = "ARENAFIT_MAX_POOL_2D";
constexpr char kSegment[] = "ARENAFIT_SEGMENT";
constexpr char kPartialConv2D[] = "ARENAFIT_PARTIAL_CONV_2D";

// Operators that RegisterOps adds to a resolver.
constexpr int kOpCount = 3;

namespace tflm {

TFLMRegistration RegisterMaxPool2D();
TFLMRegistration RegisterSegment();
TFLMRegistration RegisterPartialConv2D();

template <typename Resolver>
TfLiteStatus RegisterOps(Resolver& resolver) {
  TFLMRegistration max_pool_2d = RegisterMaxPool2D();
  TFLMRegistration segment = RegisterSegment();
  TFLMRegistration partial_conv_2d = RegisterPartialConv2D();
  TfLiteStatus status = resolver.AddCustom(kMaxPool2D, &max_pool_2d);  // copies it
  if (status == kTfLiteOk) {
    status = resolver.AddCustom(kSegment, &segment);
  }
  return status == kTfLiteOk ? resolver.AddCustom(kPartialConv2D, &partial_conv_2d) : status;
}

}  // namespace tflm

// Adds all of arenafit's operators to a MicroMutableOpResolver. An error if one of them does
// not fit in, or is there already; TFLM then prints which.
using tflm::RegisterOps;

}  // namespace arenafit

#endif  // ARENAFIT_REGISTER_OPS_H_
