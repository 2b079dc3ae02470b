// What shows that a wheel is as the headers in tflm_abi/ say: an operator and a planner that
// use all of it.
#ifndef ARENAFIT_HOST_SELF_TEST_H_
#define ARENAFIT_HOST_SELF_TEST_H_

#include "tensorflow/lite/micro/memory_planner/micro_memory_planner.h"
#include "wheel.h"

namespace arenafit {
namespace host {

// The custom operator that `arenafit.runtime.self_test` makes models of. Its one input and its
// one output are int8[1,2,3,5], scale 0.5, zero point -3; the output is the input backwards,
// plus the one byte of its options.
constexpr char kSelfTest[] = "ARENAFIT_SELF_TEST";
TFLMRegistration RegisterSelfTest();

// Gives each buffer bytes of its own, or those that the model asks for.
class StackingPlanner : public MicroMemoryPlanner {
 public:
  TfLiteStatus Init(unsigned char* scratch, int bytes) override;
  TfLiteStatus AddBuffer(int size, int first, int last) override;
  TfLiteStatus AddBuffer(int size, int first, int last, int offset) override;
  size_t GetMaximumMemorySize() override { return static_cast<size_t>(head_); }
  int GetBufferCount() override { return count_; }
  TfLiteStatus GetOffsetForBuffer(int index, int* offset) override;
  bool preserves_all_tensors() const override { return true; }

 private:
  int* offsets_ = nullptr;  // in the scratch
  int capacity_ = 0;
  int count_ = 0;
  int head_ = 0;
};

}  // namespace host
}  // namespace arenafit

#endif  // ARENAFIT_HOST_SELF_TEST_H_
