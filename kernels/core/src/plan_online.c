#include "arenafit/plan_online.h"

int32_t arenafit_plan_online(arenafit_request* requests, int32_t count, int32_t attempts) {
  arenafit_request* end = requests+count;
  uint32_t bound = 0;
  for (arenafit_request* a = requests; a != end; ++a) {
    a->priority = a->fixed < 0 ? (uint32_t)a->size : UINT32_MAX;
    uint32_t need = 0;
    for (arenafit_request* b = requests; b != end; ++b) {
      if (b->first <= a->first && a->first <= b->last) {
        need += (uint32_t)b->size;
      }
    }
    if (need > bound) {
      bound = need;
    }
  }
  uint32_t best = UINT32_MAX;
  uint32_t urgent = INT32_MAX;
  while (--attempts >= 0 && best > bound) {
    uint32_t head = 0;
    arenafit_request* top = requests;
    for (arenafit_request* a = requests; a != end; ++a) a->tried = -1;
    for (;;) {
      arenafit_request* wanted = 0;
      for (arenafit_request* a = requests; a != end; ++a) {
        if (a->tried < 0 && (!wanted || a->priority >= wanted->priority)) wanted = a;
      }
      if (!wanted) break;
      uint32_t offset = (uint32_t)wanted->fixed;
      if (wanted->fixed < 0) {
        offset = 0;
        for (arenafit_request* a = requests; a != end; ++a) {
          uint32_t stop = (uint32_t)a->tried+(uint32_t)a->size;
          if (a->tried>=0 && wanted->first <= a->last && a->first <= wanted->last && offset < stop && (uint32_t)a->tried < offset + (uint32_t)wanted->size) {
            offset = stop;
            a = requests-1;
          }
        }
      }
      wanted->tried = (int32_t)offset;
      offset += (uint32_t)wanted->size;
      if (head < offset) {
        head = offset;
        top = wanted;
      }
    }
    if (head < best) {
      best = head;
    for (arenafit_request* a = requests; a != end; ++a) a->offset = a->tried;
    }
    top->priority = ++urgent;
  }
  return best > INT32_MAX ? -1 : (int32_t)best;
}
