import { usePlace } from "../../route";
import { HeldMail } from "./HeldMail";
import { Search } from "./Search";

export default function Quarantine() {
  const { item, asked } = usePlace();
  return item ? <HeldMail key={item} id={item} /> : <Search key={asked.toString()} asked={asked} />;
}
