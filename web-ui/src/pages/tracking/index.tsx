import { usePlace } from "../../route";
import { Mail } from "./Mail";
import { Search } from "./Search";

export default function Tracking() {
  const { item, asked } = usePlace();
  return item ? <Mail key={item} id={item} /> : <Search key={asked.toString()} asked={asked} />;
}
