// TFLM's API under one name for all its releases since October 2023.
//
// In October 2026 TFLM moved its C structs from the global namespace, and its classes from
// tflite, to tflite::micro. Inside arenafit::tflm, unqualified names find them in either
// place: that is how all code here spells them.
#ifndef ARENAFIT_TFLM_COMPAT_H_
#define ARENAFIT_TFLM_COMPAT_H_

#include "arenafit/tflm_names.h"
#include "tensorflow/lite/micro/micro_common.h"
#include "tensorflow/lite/micro/micro_context.h"
#include "tensorflow/lite/micro/micro_log.h"

#endif  // ARENAFIT_TFLM_COMPAT_H_
