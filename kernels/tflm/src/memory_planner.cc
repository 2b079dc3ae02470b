#include "arenafit/memory_planner.h"

#include "arenafit/plan_online.h"
#include "log.h"

namespace arenafit {
namespace tflm {

namespace {

// Few enough to be done in a fraction of a second; the zoo's models need one or two, but for one.
constexpr uint32_t kAttempts = 64;

}  // namespace

TfLiteStatus MemoryPlanner::Init(unsigned char* scratch, int size) {
  requests_ = reinterpret_cast<arenafit_request*>(scratch);
  capacity_ = static_cast<unsigned>(size) / sizeof *requests_;
  count_ = 0;
  head_ = -1;
  return kTfLiteOk;
}

TfLiteStatus MemoryPlanner::AddBuffer(int size, int first, int last) {
  return AddBuffer(size, first, last, ARENAFIT_ONLINE);
}

TfLiteStatus MemoryPlanner::AddBuffer(int size, int first, int last, int offline_offset) {
  if (count_ >= capacity_ || size < 0 || offline_offset < ARENAFIT_ONLINE) {
    ARENAFIT_LOG("buffer %d (%d bytes, offset %d) is one too many for the arena, or negative",
                 static_cast<int>(count_), size, offline_offset);
    return kTfLiteError;
  }
  arenafit_request* request = &requests_[count_++];
  request->size = size;
  request->first = first;
  request->last = last;
  request->fixed = offline_offset;
  head_ = -1;
  return kTfLiteOk;
}

// Plans, if that has not been done: the bytes of arena, or -1.
int32_t MemoryPlanner::Head() {
  if (head_ >= 0) {
    return head_;
  }
  if (plan_.data != nullptr) {
    const auto* plan = static_cast<const arenafit_plan*>(plan_.data);
    arenafit_plan_status status = arenafit_plan_check(plan, plan_.size);
    for (unsigned i = 0; status == ARENAFIT_PLAN_OK; ++i) {
      if (i == count_) {
        head_ = static_cast<int32_t>(plan->head);
        return head_;
      }
      status = arenafit_plan_match(plan, i, &requests_[i]);
    }
    if (status < ARENAFIT_PLAN_SCRATCH_SIZE) {
      ARENAFIT_LOG("memory plan refused: %s", arenafit_plan_message(status));
      return -1;
    }
    ARENAFIT_LOG("memory planned anew: %s", arenafit_plan_message(status));
  }
  head_ = arenafit_plan_online(requests_, count_, kAttempts);
  return head_;
}

size_t MemoryPlanner::GetMaximumMemorySize() { return static_cast<size_t>(Head()); }

int MemoryPlanner::GetBufferCount() { return static_cast<int>(count_); }

TfLiteStatus MemoryPlanner::GetOffsetForBuffer(int index, int* offset) {
  if (Head() < 0 || static_cast<unsigned>(index) >= count_) {
    ARENAFIT_LOG("no offset for buffer %d of %d", index, static_cast<int>(count_));
    return kTfLiteError;
  }
  *offset = requests_[index].offset;
  return kTfLiteOk;
}

#ifdef TF_LITE_STRIP_ERROR_STRINGS
void MemoryPlanner::PrintMemoryPlan() {}
#else
namespace {

// 0-9, a-z, A-Z and again from the start; '*' for what lives in one scope alone.
char Symbol(const arenafit_request& request, unsigned index) {
  const int digit = static_cast<int>(index % 62);
  if (request.first == request.last) {
    return '*';
  }
  return static_cast<char>(digit < 10 ? '0' + digit : (digit < 36 ? 'a' - 10 : 'A' - 36) + digit);
}

}  // namespace

// The same listing and picture as GreedyMemoryPlanner's: one line a scope, '!' where buffers
// overlap.
void MemoryPlanner::PrintMemoryPlan() {
  constexpr int kWidth = 80;
  const int64_t head = Head() > kWidth ? Head() : kWidth;
  int32_t end = 0;
  for (unsigned i = 0; i < count_ && head_ >= 0; ++i) {
    const arenafit_request& r = requests_[i];
    MicroPrintf("%c (id=%d): size=%d, offset=%d, first_used=%d last_used=%d", Symbol(r, i),
                static_cast<int>(i), static_cast<int>(r.size), static_cast<int>(r.offset),
                static_cast<int>(r.first), static_cast<int>(r.last));
    end = r.last >= end ? r.last + 1 : end;
  }
  for (int32_t scope = 0; scope < end; ++scope) {
    char line[kWidth + 1];
    int64_t used = 0;  // of buffers at given offsets, which may overlap
    memset(line, '.', kWidth);
    line[kWidth] = '\0';
    for (unsigned i = 0; i < count_; ++i) {
      const arenafit_request& r = requests_[i];
      if (scope < r.first || scope > r.last) {
        continue;
      }
      used += r.size;
      for (int64_t c = r.offset * int64_t{kWidth} / head;
           c < (int64_t{r.offset} + r.size) * kWidth / head; ++c) {
        line[c] = line[c] == '.' ? Symbol(r, i) : '!';
      }
    }
    MicroPrintf("%4d: %s (%dk)", static_cast<int>(scope), line,
                static_cast<int>((used + 1023) / 1024));
  }
}
#endif

}  // namespace tflm
}  // namespace arenafit
