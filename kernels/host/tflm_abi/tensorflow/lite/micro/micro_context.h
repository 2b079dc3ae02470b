// What TFLM does for a kernel; see ../c/common.h.
#ifndef ARENAFIT_HOST_TFLM_ABI_MICRO_CONTEXT_H_
#define ARENAFIT_HOST_TFLM_ABI_MICRO_CONTEXT_H_

#include "tensorflow/lite/c/common.h"

namespace tflite {
namespace micro {

// The first virtual functions of TFLM's class, which are the same in all releases since
// October 2023. There are more behind them: never derive from this one.
class MicroContext {
 public:
  virtual ~MicroContext() = default;
  virtual void* AllocatePersistentBuffer(size_t bytes) = 0;
  virtual TfLiteStatus RequestScratchBufferInArena(size_t bytes, int* buffer_index) = 0;
  virtual void* GetScratchBuffer(int buffer_index) = 0;
  virtual TfLiteTensor* AllocateTempTfLiteTensor(int tensor_index) = 0;
  virtual void DeallocateTempTfLiteTensor(TfLiteTensor* tensor) = 0;
  virtual uint8_t* AllocateTempBuffer(size_t size, size_t alignment) = 0;
  virtual void DeallocateTempBuffer(uint8_t* buffer) = 0;
  virtual TfLiteEvalTensor* GetEvalTensor(int tensor_index) = 0;
};

// The MicroContext that `context` points to, from the word in which this wheel keeps it.
MicroContext* GetMicroContext(const TfLiteContext* context);

}  // namespace micro
}  // namespace tflite

#endif  // ARENAFIT_HOST_TFLM_ABI_MICRO_CONTEXT_H_
