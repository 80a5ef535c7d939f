#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <unordered_map>

namespace ibt {

// Names and numbers of this system's users and groups; none if there is no such record.
std::optional<std::string> user_name_of(uid_t uid);
std::optional<std::string> group_name_of(gid_t gid);
std::optional<uid_t> user_id_of(const std::string& name);
std::optional<gid_t> group_id_of(const std::string& name);

// Names of owners, asked for once.
class OwnerNames {
 public:
  struct Names {
    std::optional<std::string> user;
    std::optional<std::string> group;
  };
  const Names& find(uid_t uid, gid_t gid);

 private:
  std::unordered_map<uint64_t, Names> known_;
};

}  // namespace ibt
