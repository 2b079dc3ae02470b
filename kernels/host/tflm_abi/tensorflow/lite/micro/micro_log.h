// TFLM's log, on the host the standard error; see ../c/common.h.
#ifndef ARENAFIT_HOST_TFLM_ABI_MICRO_LOG_H_
#define ARENAFIT_HOST_TFLM_ABI_MICRO_LOG_H_

// Prints one line.
[[gnu::format(printf, 1, 2)]] void MicroPrintf(const char* format, ...);

#endif  // ARENAFIT_HOST_TFLM_ABI_MICRO_LOG_H_
