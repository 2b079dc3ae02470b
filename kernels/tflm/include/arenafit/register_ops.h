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

// Operators that RegisterOps adds to a resolver.
constexpr int kOpCount = 2;

namespace tflm {

TFLMRegistration RegisterMaxPool2D();
TFLMRegistration RegisterSegment();

template <typename Resolver>
TfLiteStatus RegisterOps(Resolver& resolver) {
  TFLMRegistration max_pool_2d = RegisterMaxPool2D();
  TFLMRegistration segment = RegisterSegment();
  const TfLiteStatus status = resolver.AddCustom(kMaxPool2D, &max_pool_2d);  // copies it
  return status == kTfLiteOk ? resolver.AddCustom(kSegment, &segment) : status;
}

}  // namespace tflm

// Adds all of arenafit's operators to a MicroMutableOpResolver. An error if one of them does
// not fit in, or is there already; TFLM then prints which.
using tflm::RegisterOps;

}  // namespace arenafit

#endif  // ARENAFIT_REGISTER_OPS_H_
