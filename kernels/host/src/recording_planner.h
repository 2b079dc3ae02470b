// A planner that remembers what another one was asked and what it answered.
#ifndef ARENAFIT_HOST_RECORDING_PLANNER_H_
#define ARENAFIT_HOST_RECORDING_PLANNER_H_

#include <vector>

#include "tensorflow/lite/micro/memory_planner/micro_memory_planner.h"

namespace arenafit {
namespace host {

using tflite::micro::MicroMemoryPlanner;
using tflite::micro::TfLiteStatus;

// One buffer; in bytes and in operators, as in MicroMemoryPlanner::AddBuffer.
struct PlannedBuffer {
  int size;
  int first;
  int last;
  int asked;   // the offset that the model asks for; -1: any
  int offset;  // the offset that it got
};

class RecordingPlanner : public MicroMemoryPlanner {
 public:
  explicit RecordingPlanner(MicroMemoryPlanner* planner) : planner_(planner) {}

  TfLiteStatus Init(unsigned char* scratch, int bytes) override {
    buffers_.clear();
    return planner_->Init(scratch, bytes);
  }
  TfLiteStatus AddBuffer(int size, int first, int last) override {
    buffers_.push_back({size, first, last, -1, -1});
    return planner_->AddBuffer(size, first, last);
  }
  TfLiteStatus AddBuffer(int size, int first, int last, int offset) override {
    buffers_.push_back({size, first, last, offset, -1});
    return planner_->AddBuffer(size, first, last, offset);
  }
  size_t GetMaximumMemorySize() override { return head_ = planner_->GetMaximumMemorySize(); }
  int GetBufferCount() override { return planner_->GetBufferCount(); }
  TfLiteStatus GetOffsetForBuffer(int index, int* offset) override {
    const TfLiteStatus status = planner_->GetOffsetForBuffer(index, offset);
    if (status == tflite::micro::kTfLiteOk) {
      buffers_.at(static_cast<size_t>(index)).offset = *offset;
    }
    return status;
  }
  bool preserves_all_tensors() const override { return planner_->preserves_all_tensors(); }
  void PrintMemoryPlan() override { planner_->PrintMemoryPlan(); }

  size_t head() const { return head_; }
  const std::vector<PlannedBuffer>& buffers() const { return buffers_; }

 private:
  MicroMemoryPlanner* planner_;
  std::vector<PlannedBuffer> buffers_;
  size_t head_ = 0;
};

}  // namespace host
}  // namespace arenafit

#endif  // ARENAFIT_HOST_RECORDING_PLANNER_H_
