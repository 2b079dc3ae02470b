#include "arenafit/offline_memory_planner.h"

#include "log.h"

namespace arenafit {
namespace tflm {

TfLiteStatus OfflineMemoryPlanner::Init(unsigned char*, int) {
  count_ = 0;
  sound_ = nullptr;
  const arenafit_plan_status status = arenafit_plan_check(plan_.data, plan_.size);
  if (status != ARENAFIT_PLAN_OK) {
    ARENAFIT_LOG("memory plan refused: %s", arenafit_plan_message(status));
    return kTfLiteError;  // which TFLM ignores: AddBuffer fails as well
  }
  sound_ = static_cast<const arenafit_plan*>(plan_.data);
  return kTfLiteOk;
}

TfLiteStatus OfflineMemoryPlanner::AddBuffer(int size, int first, int last) {
  if (sound_ == nullptr) {
    return kTfLiteError;
  }
  arenafit_request request;
  request.size = size;
  request.first = first;
  request.last = last;
  const arenafit_plan_status status = arenafit_plan_match(sound_, count_, &request);
  if (status != ARENAFIT_PLAN_OK) {
    ARENAFIT_LOG("buffer %d (%d bytes) does not fit the memory plan: %s", static_cast<int>(count_),
                 size, arenafit_plan_message(status));
    return kTfLiteError;
  }
  ++count_;
  return kTfLiteOk;
}

TfLiteStatus OfflineMemoryPlanner::AddBuffer(int size, int first, int last, int) {
  return AddBuffer(size, first, last);  // the plan supersedes the model's offline offsets
}

size_t OfflineMemoryPlanner::GetMaximumMemorySize() { return sound_ == nullptr ? 0 : sound_->head; }

int OfflineMemoryPlanner::GetBufferCount() { return static_cast<int>(count_); }

TfLiteStatus OfflineMemoryPlanner::GetOffsetForBuffer(int index, int* offset) {
  if (static_cast<unsigned>(index) >= count_) {
    ARENAFIT_LOG("no offset for buffer %d of %d", index, static_cast<int>(count_));
    return kTfLiteError;
  }
  *offset = static_cast<int>(arenafit_plan_buffers(sound_)[index].offset);
  return kTfLiteOk;
}

}  // namespace tflm
}  // namespace arenafit
