// See ../c/common.h.
#ifndef ARENAFIT_HOST_TFLM_ABI_COMPATIBILITY_H_
#define ARENAFIT_HOST_TFLM_ABI_COMPATIBILITY_H_

// On a device it keeps the heap out of virtual destructors; it changes no layout.
#define TF_LITE_REMOVE_VIRTUAL_DELETE \
  void operator delete(void*) {}

#endif  // ARENAFIT_HOST_TFLM_ABI_COMPATIBILITY_H_
