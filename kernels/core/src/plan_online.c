#include "arenafit/plan_online.h"

#define UNPLACED UINT32_MAX /* arenafit_request.tried; its "end" wraps and collides with nothing \
                             */

/* The lowest offset at which `wanted` shares no byte with the placed buffers it is alive with. */
static uint32_t lowest_gap(const arenafit_request* requests, const arenafit_request* end,
                           const arenafit_request* wanted) {
  uint32_t offset = 0;
  const arenafit_request* a = requests;
  while (a != end) {
    const uint32_t stop = a->tried + (uint32_t)a->size;
    if (a->first <= wanted->last && wanted->first <= a->last && offset < stop &&
        a->tried < offset + (uint32_t)wanted->size) {
      offset = stop;
      a = requests; /* those that were passed below may be in the way now */
    } else {
      ++a;
    }
  }
  return offset;
}

int32_t arenafit_plan_online(arenafit_request* requests, uint32_t count, uint32_t attempts) {
  arenafit_request* end = requests + count;
  for (arenafit_request* a = requests; a != end; ++a) {
    a->tried = UNPLACED;
    a->priority = a->fixed < 0 ? (uint32_t)a->size : UINT32_MAX;
  }
  uint32_t best = UINT32_MAX; /* -1, until there is a plan below 2 GiB */
  for (;;) {
    uint32_t head = 0;
    arenafit_request* top = requests; /* the first to reach `head` */
    for (;;) {
      arenafit_request* wanted = end; /* the most urgent of the unplaced; of equals the last */
      uint32_t most = 0;
      for (arenafit_request* a = requests; a != end; ++a) {
        if (a->tried == UNPLACED && a->priority >= most) {
          most = a->priority;
          wanted = a;
        }
      }
      if (wanted == end) {
        break;
      }
      uint32_t offset = (uint32_t)wanted->fixed;
      if (wanted->fixed < 0) {
        offset = lowest_gap(requests, end, wanted);
      }
      wanted->tried = offset;
      offset += (uint32_t)wanted->size;
      if (offset > INT32_MAX) { /* no more of it: what lies above could wrap, or be UNPLACED */
        return (int32_t)best;
      }
      if (head < offset) {
        head = offset;
        top = wanted;
      }
    }
    /* What is alive when `top` is created must lie side by side in any plan (but for fixed buffers,
     * which may overlap: with them this may end the search too early, nothing worse). */
    uint32_t need = 0;
    for (arenafit_request* a = requests; a != end; ++a) {
      if (head < best) {
        a->offset = (int32_t)a->tried;
      }
      if (a->first <= top->first && top->first <= a->last) {
        need += (uint32_t)a->size;
      }
      a->tried = UNPLACED;
    }
    if (head < best) {
      best = head;
    }
    if (need >= head || top->fixed >= 0 || --attempts == 0) {
      return (int32_t)best;
    }
    top->priority = ~attempts; /* more than any size or earlier one, less than a fixed one's */
  }
}
