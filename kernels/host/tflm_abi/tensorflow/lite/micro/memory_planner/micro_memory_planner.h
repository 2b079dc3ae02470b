// What TFLM asks of a memory planner; see ../../c/common.h.
#ifndef ARENAFIT_HOST_TFLM_ABI_MICRO_MEMORY_PLANNER_H_
#define ARENAFIT_HOST_TFLM_ABI_MICRO_MEMORY_PLANNER_H_

#include "tensorflow/lite/c/common.h"

namespace tflite {
namespace micro {

// All virtual functions of TFLM's class, in its order.
class MicroMemoryPlanner {
 public:
  MicroMemoryPlanner() = default;
  virtual ~MicroMemoryPlanner() = default;
  virtual TfLiteStatus AddBuffer(int size, int first_time_used, int last_time_used) = 0;
  virtual TfLiteStatus AddBuffer(int, int, int, int) { return kTfLiteError; }
  virtual size_t GetMaximumMemorySize() = 0;
  virtual int GetBufferCount() = 0;
  virtual TfLiteStatus GetOffsetForBuffer(int buffer_index, int* offset) = 0;
  virtual TfLiteStatus Init(unsigned char*, int) { return kTfLiteOk; }
  virtual bool preserves_all_tensors() const = 0;
  virtual void PrintMemoryPlan() {}
};

}  // namespace micro
}  // namespace tflite

#endif  // ARENAFIT_HOST_TFLM_ABI_MICRO_MEMORY_PLANNER_H_
