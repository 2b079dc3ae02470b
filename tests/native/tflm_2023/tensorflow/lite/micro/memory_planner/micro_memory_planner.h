// TFLM's interface for memory planners as it was from 2023 until October 2026, for any processor:
// C types in no namespace, classes in tflite. (That of later releases: kernels/host/tflm_abi.)
#ifndef ARENAFIT_TESTS_MICRO_MEMORY_PLANNER_H_
#define ARENAFIT_TESTS_MICRO_MEMORY_PLANNER_H_

#include <stddef.h>

typedef enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 } TfLiteStatus;

namespace tflite {

class MicroMemoryPlanner {
 public:
  MicroMemoryPlanner() {}
  virtual ~MicroMemoryPlanner() {}
  virtual TfLiteStatus AddBuffer(int size, int first, int last) = 0;
  virtual TfLiteStatus AddBuffer(int, int, int, int) { return kTfLiteError; }
  virtual size_t GetMaximumMemorySize() = 0;
  virtual int GetBufferCount() = 0;
  virtual TfLiteStatus GetOffsetForBuffer(int index, int* offset) = 0;
  virtual TfLiteStatus Init(unsigned char*, int) { return kTfLiteOk; }
  virtual bool preserves_all_tensors() const = 0;
  virtual void PrintMemoryPlan() {}
};

}  // namespace tflite

#endif  // ARENAFIT_TESTS_MICRO_MEMORY_PLANNER_H_
