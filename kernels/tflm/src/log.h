// Messages for the log; none of their arguments is evaluated in a build without them.
#ifndef ARENAFIT_LOG_H_
#define ARENAFIT_LOG_H_

#include "tensorflow/lite/micro/micro_log.h"

#ifdef TF_LITE_STRIP_ERROR_STRINGS
#define ARENAFIT_LOG(...)
#else
#define ARENAFIT_LOG(...) MicroPrintf("arenafit: " __VA_ARGS__)
#endif

#endif  // ARENAFIT_LOG_H_
