// PlanInModel on models of all shapes that a file may have; stands in for TFLM's generated Model.
#include "arenafit/plan_in_model.h"

#include <stdio.h>

#include <vector>

namespace {

template <typename T>
struct Vector {
  std::vector<T> items;
  uint32_t size() const { return static_cast<uint32_t>(items.size()); }
  const T* Get(uint32_t i) const { return &items.at(i); }
  const T* data() const { return items.data(); }
};

struct String {
  const char* text;
  const char* c_str() const { return text; }
};

struct Metadata {
  const String* name_;
  uint32_t buffer_;
  const String* name() const { return name_; }
  uint32_t buffer() const { return buffer_; }
};

struct Buffer {
  const Vector<uint8_t>* data_;
  const Vector<uint8_t>* data() const { return data_; }
};

struct Model {
  const Vector<Metadata>* metadata_;
  const Vector<Buffer>* buffers_;
  const Vector<Metadata>* metadata() const { return metadata_; }
  const Vector<Buffer>* buffers() const { return buffers_; }
};

int g_failed = 0;

void Expect(const char* what, const Model* model, const void* data, size_t size) {
  const arenafit::PlanBytes found = arenafit::PlanInModel(model);
  if (found.data != data || found.size != size) {
    printf("%s: %p, %zu bytes\n", what, found.data, found.size);
    ++g_failed;
  }
}

}  // namespace

int main() {
  const Vector<uint8_t> plan{{1, 2, 3, 4}}, other{{5}};
  const String ours{"arenafit_plan"}, longer{"arenafit_plan2"}, shorter{"arenafit"};
  const Vector<Buffer> buffers{{{nullptr}, {&other}, {&plan}}};

  const Vector<Metadata> good{{{&longer, 1}, {nullptr, 1}, {&shorter, 1}, {&ours, 2}}};
  const Model with_plan{&good, &buffers};
  Expect("a plan among other metadata", &with_plan, plan.data(), plan.size());

  const Vector<Metadata> no_plan{{{&longer, 2}, {&shorter, 2}, {nullptr, 2}}};
  const Model without{&no_plan, &buffers};
  Expect("names that are nearly right", &without, nullptr, 0);

  const Vector<Metadata> empty{{{&ours, 0}}};
  const Model without_data{&empty, &buffers};
  Expect("a buffer without data", &without_data, nullptr, 0);

  const Vector<Metadata> wild{{{&ours, 3}}};
  const Model out_of_range{&wild, &buffers};
  Expect("a buffer that does not exist", &out_of_range, nullptr, 0);

  const Model no_metadata{nullptr, &buffers}, no_buffers{&good, nullptr};
  Expect("no metadata", &no_metadata, nullptr, 0);
  Expect("no buffers", &no_buffers, nullptr, 0);
  Expect("no model", nullptr, nullptr, 0);
  return g_failed;
}
